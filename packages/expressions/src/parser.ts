import { err, ok, type Result } from '@xebec/core';
import type { BinaryOperator, Node } from './ast.ts';
import { type Token, tokenize } from './lexer.ts';
import type { ExpressionProblem } from './problem.ts';

/** Longest expression, in UTF-16 units. */
export const MAX_EXPRESSION_LENGTH = 16_384;
/** Deepest nesting, of brackets as of chained operators: the tree is walked recursively. */
export const MAX_EXPRESSION_DEPTH = 100;
const MAX_CHAIN = 500;
const MAX_INT64 = 2n ** 63n - 1n;

/** Binding strength, Go's: `|` and `+` bind tighter than comparisons, so `a | "x" == "y"` is `(a | "x") == "y"`. */
const PRECEDENCE: Readonly<Record<string, number>> = {
  '||': 1,
  '&&': 2,
  '==': 3,
  '!=': 3,
  '<': 3,
  '<=': 3,
  '>': 3,
  '>=': 3,
  '+': 4,
  '|': 4,
};

/** Carries a problem to `parseExpression`; it never leaves this file. */
class ParseFailure extends Error {
  readonly problem: ExpressionProblem;
  constructor(problem: ExpressionProblem) {
    super(problem.message);
    this.problem = problem;
  }
}

/** Parses Mixer's expression language (CEXL). */
export function parseExpression(text: string): Result<Node, ExpressionProblem> {
  if (text.length > MAX_EXPRESSION_LENGTH) {
    return err({
      column: MAX_EXPRESSION_LENGTH,
      message: `the expression has ${text.length} characters, more than ${MAX_EXPRESSION_LENGTH}`,
    });
  }
  const tokens = tokenize(text);
  if (!tokens.ok) return tokens;
  try {
    return ok(new Parser(tokens.value).parse());
  } catch (error) {
    if (error instanceof ParseFailure) return err(error.problem);
    throw error;
  }
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;
  #chain = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }
  parse(): Node {
    const node = this.#expression();
    const rest = this.#peek();
    if (rest.kind !== 'end') this.#fail(rest, 'an operator or the end');
    return node;
  }

  #expression(): Node {
    if (++this.#depth > MAX_EXPRESSION_DEPTH) {
      throw new ParseFailure({ column: this.#peek().column, message: `nested deeper than ${MAX_EXPRESSION_DEPTH} levels` });
    }
    const test = this.#binary(1);
    const question = this.#take('?');
    this.#depth--;
    if (question === undefined) return test;
    const then = this.#expression();
    this.#expect(':');
    const otherwise = this.#expression();
    return { kind: 'conditional', test, then, otherwise, column: question.column };
  }
  #binary(minimum: number): Node {
    let left = this.#unary();
    for (;;) {
      const token = this.#peek();
      const strength = token.kind === 'operator' ? PRECEDENCE[token.text] : undefined;
      if (strength === undefined || strength < minimum) return left;
      if (++this.#chain > MAX_CHAIN) throw new ParseFailure({ column: token.column, message: `more than ${MAX_CHAIN} operators` });
      this.#at++;
      const right = this.#binary(strength + 1);
      // PRECEDENCE has binary operators as its keys and nothing else.
      left = { kind: 'binary', operator: token.text as BinaryOperator, left, right, column: token.column };
    }
  }
  #unary(): Node {
    const not = this.#take('!');
    if (not !== undefined) {
      if (++this.#depth > MAX_EXPRESSION_DEPTH) {
        throw new ParseFailure({ column: not.column, message: `nested deeper than ${MAX_EXPRESSION_DEPTH} levels` });
      }
      const operand = this.#unary();
      this.#depth--;
      return { kind: 'not', operand, column: not.column };
    }
    const minus = this.#take('-');
    if (minus === undefined) return this.#postfix(this.#primary());
    const number = this.#peek();
    if (number.kind !== 'int' && number.kind !== 'double') this.#fail(number, 'a number after "-"');
    const node = this.#primary();
    if (node.kind === 'int' || node.kind === 'double') {
      return node.kind === 'int'
        ? { ...node, value: -node.value, column: minus.column }
        : { ...node, value: -node.value, column: minus.column };
    }
    return node;
  }
  #primary(): Node {
    const token = this.#peek();
    const { column } = token;
    switch (token.kind) {
      case 'string':
        this.#at++;
        return { kind: 'string', value: token.text, column };
      case 'int': {
        this.#at++;
        const value = BigInt(token.text);
        if (value > MAX_INT64) throw new ParseFailure({ column, message: `${token.text} does not fit into 64 bits` });
        return { kind: 'int', value, column };
      }
      case 'double':
        this.#at++;
        return { kind: 'double', value: Number(token.text), column };
      case 'name':
        return this.#nameOrCall();
      default:
        break;
    }
    if (this.#take('(') === undefined) this.#fail(token, 'a value, an attribute or "("');
    const node = this.#expression();
    this.#expect(')');
    return node;
  }
  /** `a.b.c`, `f(…)`, or `a.b.method(…)`. */
  #nameOrCall(): Node {
    const first = this.#next();
    const lower = first.text.toLowerCase();
    if ((lower === 'true' || lower === 'false') && !this.#is('.')) return { kind: 'bool', value: lower === 'true', column: first.column };
    if (this.#is('(')) return { kind: 'call', name: first.text, target: undefined, args: this.#arguments(), column: first.column };
    const parts = [first];
    while (this.#take('.') !== undefined) {
      const part = this.#next();
      if (part.kind !== 'name') this.#fail(part, 'a name after "."');
      parts.push(part);
      if (!this.#is('(')) continue;
      const target = attribute(parts.slice(0, -1), first.column);
      return { kind: 'call', name: part.text, target, args: this.#arguments(), column: part.column };
    }
    return attribute(parts, first.column);
  }
  #postfix(start: Node): Node {
    let node = start;
    for (;;) {
      if (this.#peek().kind === 'operator' && ++this.#chain > MAX_CHAIN) {
        throw new ParseFailure({ column: this.#peek().column, message: `more than ${MAX_CHAIN} operators` });
      }
      const bracket = this.#take('[');
      if (bracket !== undefined) {
        const key = this.#expression();
        this.#expect(']');
        node = { kind: 'index', map: node, key, column: bracket.column };
        continue;
      }
      if (this.#take('.') === undefined) return node;
      const method = this.#next();
      if (method.kind !== 'name') this.#fail(method, 'a function after "."');
      if (!this.#is('(')) this.#fail(this.#peek(), `"(" after the function ${method.text}`);
      node = { kind: 'call', name: method.text, target: node, args: this.#arguments(), column: method.column };
    }
  }
  #arguments(): Node[] {
    this.#expect('(');
    const args: Node[] = [];
    if (this.#take(')') !== undefined) return args;
    for (;;) {
      args.push(this.#expression());
      if (this.#take(',') === undefined) break;
    }
    this.#expect(')');
    return args;
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? { kind: 'end', text: '', column: 1 };
  }
  #next(): Token {
    const token = this.#peek();
    this.#at++;
    return token;
  }
  #is(operator: string): boolean {
    const token = this.#peek();
    return token.kind === 'operator' && token.text === operator;
  }
  #take(operator: string): Token | undefined {
    return this.#is(operator) ? this.#next() : undefined;
  }
  #expect(operator: string): void {
    if (this.#take(operator) === undefined) this.#fail(this.#peek(), `"${operator}"`);
  }
  #fail(token: Token, expected: string): never {
    const got = token.kind === 'end' ? 'the expression ends' : `got ${JSON.stringify(token.text)}`;
    throw new ParseFailure({ column: token.column, message: `expected ${expected}, but ${got}` });
  }
}

function attribute(parts: readonly Token[], column: number): Node {
  return { kind: 'attribute', name: parts.map(({ text }) => text).join('.'), column };
}
