/** As many literals one expression may stand for. */
const MAX_ALTERNATIVES = 32;

/**
 * The values of an AuthorizationPolicy that match exactly what a regular expression matches as a whole: literals (`/metrics`),
 * prefixes (`/api/*`), suffixes (`*.png`) and everything (`*`). Undefined when the expression says more than these can.
 */
export function patternsOf(regex: string): readonly string[] | undefined {
  const alternatives = expand(regex.replace(/^\^/, '').replace(/(?<!\\)\$$/, ''));
  if (alternatives === undefined) return undefined;
  const patterns: string[] = [];
  for (const alternative of alternatives) {
    const pattern = patternOf(alternative);
    if (pattern === undefined) return undefined;
    patterns.push(pattern);
  }
  return [...new Set(patterns)];
}

function patternOf(expression: string): string | undefined {
  if (expression === '.*') return '*';
  const prefix = expression.endsWith('.*') && !expression.endsWith('\\.*');
  const suffix = expression.startsWith('.*');
  if (prefix && suffix) return undefined;
  const literal = literalOf(prefix ? expression.slice(0, -2) : suffix ? expression.slice(2) : expression);
  // A star or a brace means something of its own in a policy.
  if (literal === undefined || literal === '' || /[*{}]/.test(literal)) return undefined;
  return prefix ? `${literal}*` : suffix ? `*${literal}` : literal;
}

/** The text that an expression without operators stands for. */
function literalOf(expression: string): string | undefined {
  let literal = '';
  for (let at = 0; at < expression.length; at++) {
    const char = expression[at] ?? '';
    if (char === '\\') {
      const escaped = expression[++at] ?? '';
      if (!/^[^A-Za-z0-9]$/.test(escaped)) return undefined;
      literal += escaped;
    } else if (/[.*+?()|[\]{}^$]/.test(char)) return undefined;
    else literal += char;
  }
  return literal;
}

/** Alternatives, `a|b` and `x(a|b)y`, written out; groups in groups too. */
function expand(expression: string): readonly string[] | undefined {
  const parts = split(expression);
  if (parts === undefined || parts.length > MAX_ALTERNATIVES) return undefined;
  const out: string[] = [];
  for (const part of parts) {
    const group = firstGroup(part);
    if (group === undefined) {
      out.push(part);
      continue;
    }
    const { head, body, tail } = group;
    if (/^[*+?{]/.test(tail)) return undefined;
    const inner = expand(body.replace(/^\?:/, ''));
    if (inner === undefined) return undefined;
    for (const choice of inner) {
      const rest = expand(`${head}${choice}${tail}`);
      if (rest === undefined) return undefined;
      out.push(...rest);
      if (out.length > MAX_ALTERNATIVES) return undefined;
    }
  }
  return out;
}

/** At the bars outside of groups; undefined when parentheses do not match. */
function split(expression: string): readonly string[] | undefined {
  const parts: string[] = [];
  let depth = 0;
  let part = '';
  for (let at = 0; at < expression.length; at++) {
    const char = expression[at] ?? '';
    if (char === '\\') {
      part += char + (expression[++at] ?? '');
      continue;
    }
    // Classes may hold bars and parentheses.
    if (char === '[') return expression.includes('|') || expression.includes('(') ? undefined : [expression];
    if (char === '(') depth++;
    if (char === ')') depth--;
    if (depth < 0) return undefined;
    if (char === '|' && depth === 0) {
      parts.push(part);
      part = '';
    } else part += char;
  }
  return depth === 0 ? [...parts, part] : undefined;
}

function firstGroup(expression: string): { head: string; body: string; tail: string } | undefined {
  let depth = 0;
  let start = -1;
  for (let at = 0; at < expression.length; at++) {
    const char = expression[at];
    if (char === '\\') at++;
    else if (char === '(' && depth++ === 0) start = at;
    else if (char === ')' && --depth === 0)
      return { head: expression.slice(0, start), body: expression.slice(start + 1, at), tail: expression.slice(at + 1) };
  }
  return undefined;
}
