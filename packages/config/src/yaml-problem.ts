/** Of the messages of the YAML parser, those that users meet most, in words that say what to do. `line`: the line that it is about. */
const PLAIN: readonly (readonly [pattern: RegExp, message: (line: string) => string])[] = [
  [
    /^Unresolved alias/,
    (line) => `${quoted(/\*[^\s,\]}]*/.exec(line)?.[0] ?? '*')} must stand in quotes, or refers to an anchor that is not there`,
  ],
  [/^Tabs are not allowed/, () => 'a tab stands where spaces must: indent with spaces'],
  [/^Map keys must be unique/, (line) => `field ${quoted(/^[\s-]*"?([^\s":]+)/.exec(line)?.[1] ?? '')} stands twice`],
  [/^Nested mappings are not allowed/, () => 'text with ": " in it must stand in quotes, or the indentation is wrong'],
  [/call stack/, () => 'nested too deeply'],
];

/** What is wrong with a document, for people; `text` is the whole stream, `line` counts from 1. */
export function yamlProblem(message: string, text: string, line: number): string {
  const [first = ''] = message.split('\n');
  const written = text.split('\n', line)[line - 1] ?? '';
  const plain = PLAIN.find(([pattern]) => pattern.test(first))?.[1](written) ?? first;
  const template = text.includes('{{') ? '; it looks like a Helm template: render it first' : '';
  return `malformed YAML: ${plain}${template}`;
}

/** Bytes that are no text at all, as UTF-16 or an archive. */
export function isText(text: string): boolean {
  return !text.includes('\u0000') && !text.startsWith('\ufffd');
}

function quoted(text: string): string {
  return `"${text}"`;
}
