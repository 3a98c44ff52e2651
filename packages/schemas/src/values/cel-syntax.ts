import type { ValueCheck } from './value-check.ts';

const TOKEN =
  /\s*(?:(?<string>[rRbB]{0,2}(?:"""[\s\S]*?"""|'''[\s\S]*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))|(?<number>0[xX][0-9a-fA-F]+[uU]?|\d+\.\d+(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|\d+(?:[eE][-+]?\d+)?[uU]?)|(?<name>[_a-zA-Z][_a-zA-Z0-9]*)|(?<mark>&&|\|\||[=!<>]=|[-+*/%!<>?:.,()[\]{}]))/y;
const RELATIONS: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>=', 'in']);
const MAX_LENGTH = 65_536;
const MAX_DEPTH = 200;

/** Whether a text is an expression of CEL; names and types are not looked at. Source: cel-spec, langdef, Syntax. */
export const celExpression: ValueCheck = (value) => {
  const tokens = value.length > MAX_LENGTH ? undefined : tokensOf(value);
  if (tokens === undefined) return `"${value.slice(0, 80)}" is not a CEL expression`;
  const reader = new Reader(tokens);
  const sound = reader.expression(0) && reader.atEnd();
  return sound
    ? undefined
    : `"${value}" is not a CEL expression: ${reader.atEnd() ? 'it ends too early' : `unexpected "${reader.peek()}"`}`;
};

interface Token {
  readonly kind: 'value' | 'name' | 'mark';
  readonly text: string;
}

function tokensOf(text: string): Token[] | undefined {
  const tokens: Token[] = [];
  const source = text.trimEnd();
  const pattern = new RegExp(TOKEN);
  while (pattern.lastIndex < source.length) {
    const groups = pattern.exec(source)?.groups;
    if (groups === undefined) return undefined;
    const { mark, name, number, string } = groups;
    tokens.push({
      kind: name !== undefined ? 'name' : mark !== undefined ? 'mark' : 'value',
      text: name ?? mark ?? number ?? string ?? '',
    });
  }
  return tokens;
}

/** Reads by recursive descent; each method tells whether what it reads is there. */
class Reader {
  private at = 0;
  private readonly tokens: readonly Token[];

  constructor(tokens: readonly Token[]) {
    this.tokens = tokens;
  }

  atEnd(): boolean {
    return this.at >= this.tokens.length;
  }

  peek(): string {
    return this.tokens[this.at]?.text ?? '';
  }

  private take(text: string): boolean {
    if (this.tokens[this.at]?.kind === 'value' || this.peek() !== text || this.atEnd()) return false;
    this.at++;
    return true;
  }

  /** Operators of all ranks alike: where they may stand does not depend on what binds tighter. */
  expression(depth: number): boolean {
    if (depth > MAX_DEPTH || !this.unary(depth)) return false;
    while (['&&', '||', '+', '-', '*', '/', '%'].some((operator) => this.take(operator)) || this.relation())
      if (!this.unary(depth)) return false;
    if (!this.take('?')) return true;
    return this.expression(depth + 1) && this.take(':') && this.expression(depth + 1);
  }

  private relation(): boolean {
    if (!RELATIONS.has(this.peek()) || this.tokens[this.at]?.kind === 'value') return false;
    this.at++;
    return true;
  }

  private unary(depth: number): boolean {
    while (this.take('!') || this.take('-'));
    if (!this.primary(depth)) return false;
    for (;;) {
      if (this.take('.')) {
        if (!this.name()) return false;
      } else if (this.take('[')) {
        if (!this.expression(depth + 1) || !this.take(']')) return false;
      } else if (this.take('(')) {
        if (!this.list(')', depth)) return false;
      } else if (this.take('{')) {
        if (!this.entries(depth)) return false;
      } else return true;
    }
  }

  private primary(depth: number): boolean {
    if (this.take('(')) return this.expression(depth + 1) && this.take(')');
    if (this.take('[')) return this.list(']', depth);
    if (this.take('{')) return this.entries(depth);
    this.take('.');
    if (this.tokens[this.at]?.kind !== 'value') return this.name();
    this.at++;
    return true;
  }

  private name(): boolean {
    if (this.tokens[this.at]?.kind !== 'name' || this.peek() === 'in') return false;
    this.at++;
    return true;
  }

  private list(end: string, depth: number): boolean {
    while (!this.take(end)) {
      if (!this.expression(depth + 1)) return false;
      if (!this.take(',')) return this.take(end);
    }
    return true;
  }

  private entries(depth: number): boolean {
    while (!this.take('}')) {
      if (!this.expression(depth + 1) || !this.take(':') || !this.expression(depth + 1)) return false;
      if (!this.take(',')) return this.take('}');
    }
    return true;
  }
}
