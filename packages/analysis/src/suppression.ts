import { type Message, originOf } from './message.ts';

/** `--suppress CODE=RESOURCE`: messages with the code about objects whose origin (`Pod default/web`) fits the pattern are left out. */
export interface Suppression {
  readonly code: string;
  /** With `*` for any text. */
  readonly resource: string;
}

export function matchesSuppression(message: Message, { code, resource }: Suppression): boolean {
  return message.code === code && fits(resource, originOf(message));
}

/** Without regular expressions: patterns come from users. */
function fits(pattern: string, value: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  if (rest.length === 0) return pattern === value;
  if (!value.startsWith(first)) return false;
  const last = rest.pop() ?? '';
  let position = first.length;
  for (const part of rest) {
    const found = value.indexOf(part, position);
    if (found < 0) return false;
    position = found + part.length;
  }
  return value.length - last.length >= position && value.endsWith(last);
}
