import type { JsonValue } from '@bufbuild/protobuf';
import { errorText, XebecError } from '@xebec/core';
import { parseDocument } from 'yaml';

/** Reads YAML 1.2 or JSON text; throws XebecError `E_YAML` with `file:line:column`. */
export function readYamlOrJson(text: string, file: string): JsonValue {
  if (text.trimStart().startsWith('{')) {
    try {
      return JSON.parse(text) as JsonValue;
    } catch {
      // Flow-style YAML also starts with a brace: the YAML parser has the last word.
    }
  }
  const document = parseDocument(text, { prettyErrors: true, uniqueKeys: false });
  const problem = document.errors[0];
  if (problem !== undefined) {
    const at = problem.linePos?.[0];
    throw new XebecError('E_YAML', `${file}${at === undefined ? '' : `:${at.line}:${at.col}`}: ${problem.message.split('\n')[0]}`);
  }
  try {
    return document.toJS() as JsonValue;
  } catch (cause) {
    throw new XebecError('E_YAML', `${file}: ${errorText(cause)}`, { cause });
  }
}
