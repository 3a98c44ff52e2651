import { isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml';
import { isRecord } from './decode.ts';

/** One object of a YAML stream with the lines of all its fields; or what is wrong with the document. */
export interface YamlObject {
  readonly value: unknown;
  /** Where the object starts, from 1. */
  readonly line: number;
  /** Line of each field path that was written, such as `spec.http[0].route`. */
  readonly fieldLines: Readonly<Record<string, number>>;
}

export interface YamlProblem {
  readonly line: number;
  readonly message: string;
}

/** More than this is no configuration: 8 MiB. */
export const MAX_YAML_BYTES = 8 * 1024 * 1024;

/** Reads a stream of YAML documents (JSON is YAML); `kind: List` is taken apart. A broken document does not spoil the others. */
export function readYamlObjects(text: string): { readonly objects: readonly YamlObject[]; readonly problems: readonly YamlProblem[] } {
  const objects: YamlObject[] = [];
  const problems: YamlProblem[] = [];
  if (text.length > MAX_YAML_BYTES) return { objects, problems: [{ line: 1, message: `larger than ${MAX_YAML_BYTES} bytes` }] };
  const lines = new LineCounter();
  const lineOf = (offset: number) => lines.linePos(offset).line;
  for (const document of parseAllDocuments(text, { lineCounter: lines, logLevel: 'silent', prettyErrors: false })) {
    if (!('contents' in document)) continue;
    const [error] = document.errors;
    if (error !== undefined) {
      problems.push({ line: lineOf(error.pos[0]), message: `malformed YAML: ${error.message.split('\n')[0] ?? ''}` });
      continue;
    }
    const root = document.contents;
    if (root === null || (isScalar(root) && root.value === null)) continue;
    let value: unknown;
    try {
      value = document.toJS({ maxAliasCount: 100 });
    } catch (cause) {
      problems.push({
        line: lineOf(root.range?.[0] ?? 0),
        message: `malformed YAML: ${cause instanceof Error ? cause.message : String(cause)}`,
      });
      continue;
    }
    const items = isRecord(value) && typeof value['kind'] === 'string' && value['kind'].endsWith('List') ? value['items'] : undefined;
    if (Array.isArray(items) && isMap(root)) {
      const list = root.get('items', true);
      items.forEach((item: unknown, index) => {
        const node: unknown = isSeq(list) ? list.items[index] : undefined;
        objects.push(located(item, isNode(node) ? node : root, lineOf));
      });
    } else {
      objects.push(located(value, root, lineOf));
    }
  }
  return { objects, problems };
}

function isNode(value: unknown): value is Node {
  return isMap(value) || isSeq(value) || isScalar(value);
}

function located(value: unknown, node: Node, lineOf: (offset: number) => number): YamlObject {
  const fieldLines: Record<string, number> = {};
  const walk = (current: unknown, path: string): void => {
    if (isMap(current)) {
      for (const { key, value: child } of current.items) {
        const name = isScalar(key) ? String(key.value) : String(key);
        const childPath = path === '' ? name : `${path}.${name}`;
        if (isScalar(key) && key.range) fieldLines[childPath] = lineOf(key.range[0]);
        walk(child, childPath);
      }
    } else if (isSeq(current)) {
      current.items.forEach((item, index) => {
        const itemPath = `${path}[${index}]`;
        if (isNode(item) && item.range) fieldLines[itemPath] = lineOf(item.range[0]);
        walk(item, itemPath);
      });
    }
  };
  walk(node, '');
  return { value, line: lineOf(node.range?.[0] ?? 0), fieldLines };
}

/** The line of a field path, or of its nearest parent that was written. */
export function lineOfField(object: YamlObject, path: string): number {
  for (let current = path; current !== ''; current = current.replace(/(\.[^.[\]]+|\[\d+\]|^[^.[\]]+)$/, '')) {
    const line = object.fieldLines[current];
    if (line !== undefined) return line;
    if (!/(\.[^.[\]]+|\[\d+\]|^[^.[\]]+)$/.test(current)) break;
  }
  return object.line;
}
