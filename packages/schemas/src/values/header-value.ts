import type { ValueCheck } from './value-check.ts';

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f]/;

type Step = 'text' | 'name' | 'arguments' | 'string' | 'listString' | 'listNext' | 'argumentsEnd' | 'end';

/**
 * The value of a header that a proxy sets: text with `%VARIABLE%`, `%VARIABLE(argument)%` and `%VARIABLE(["a", "b"])%` in it,
 * and `%%` for a percent sign. Source: Envoy, custom request and response headers.
 */
export const headerValue: ValueCheck = (value) => {
  if (CONTROL.test(value)) return 'a control character cannot stand in a header';
  let step: Step = 'text';
  for (let at = 0; at < value.length; at++) {
    const char = value[at] ?? '';
    const last = at + 1 === value.length;
    if (step === 'text') {
      if (char !== '%') continue;
      if (last) return `"${value}": a percent sign is written %%`;
      if (value[at + 1] === '%') at++;
      else step = 'name';
    } else if (step === 'string') {
      if (char === '\\' && last) return `"${value}" ends within a string`;
      if (char === '\\') at++;
      else if (char === ')') step = 'end';
      else if (char === '"') step = 'listNext';
    } else {
      const next = follow(step, char);
      if (next === undefined) return `"${value}": unexpected "${char}" at ${at + 1}`;
      step = next;
    }
  }
  return step === 'text' ? undefined : `"${value}": the variable does not end with %`;
};

/** The step after a character outside of text and strings; undefined where it cannot stand. */
function follow(step: Exclude<Step, 'text' | 'string'>, char: string): Step | undefined {
  if (step === 'name') return char === '%' ? 'text' : char === '(' ? 'arguments' : 'name';
  if (char === ' ') return step;
  if (step === 'arguments') return char === '[' ? 'listString' : 'string';
  if (step === 'listString') return char === '"' ? 'string' : undefined;
  if (step === 'listNext') return char === ',' ? 'listString' : char === ']' ? 'argumentsEnd' : undefined;
  if (step === 'argumentsEnd') return char === ')' ? 'end' : undefined;
  return char === '%' ? 'text' : undefined;
}
