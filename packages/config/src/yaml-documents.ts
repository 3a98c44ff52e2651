import { type Document, isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments, visit } from 'yaml';
import { isRecord } from './decode.ts';
import { readSimpleDocument } from './simple-yaml.ts';
import { isText, yamlProblem } from './yaml-problem.ts';

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
  if (text.length > MAX_YAML_BYTES) return { objects: [], problems: [{ line: 1, message: `larger than ${MAX_YAML_BYTES} bytes` }] };
  if (!isText(text)) return { objects: [], problems: [{ line: 1, message: 'no text in UTF-8' }] };
  return readSimpleObjects(text) ?? readAnyObjects(text);
}

/** The start of a document whose content begins on the next line. */
const SEPARATOR = /^---[ ]*(?:#.*)?$/m;

/**
 * Objects of a stream all of whose documents are simple; undefined for others. Lines are looked for when somebody wants to know them,
 * which nobody does for most objects.
 */
function readSimpleObjects(
  text: string,
): { readonly objects: readonly YamlObject[]; readonly problems: readonly YamlProblem[] } | undefined {
  const objects: YamlObject[] = [];
  let firstLine = 1;
  for (const part of text.split(SEPARATOR)) {
    const found = readSimpleDocument(part);
    if (found === undefined) {
      if (!/^(?:[ ]*(?:#.*)?\n)*[ ]*(?:#.*)?$/.test(part)) return undefined;
    } else {
      const { kind } = found.value;
      if (typeof kind === 'string' && kind.endsWith('List')) return undefined;
      objects.push(new SimpleObject(found.value, part, firstLine, firstLine + found.line));
    }
    for (let at = part.indexOf('\n'); at !== -1; at = part.indexOf('\n', at + 1)) firstLine++;
  }
  return { objects, problems: [] };
}

class SimpleObject implements YamlObject {
  readonly value: unknown;
  readonly line: number;
  readonly #text: string;
  readonly #firstLine: number;
  #fieldLines: Readonly<Record<string, number>> | undefined;

  constructor(value: unknown, text: string, firstLine: number, line: number) {
    this.value = value;
    this.line = line;
    this.#text = text;
    this.#firstLine = firstLine;
  }
  get fieldLines(): Readonly<Record<string, number>> {
    if (this.#fieldLines === undefined) {
      const lines: Record<string, number> = {};
      readSimpleDocument(this.#text, (path, line) => {
        lines[path] = this.#firstLine + line;
      });
      this.#fieldLines = lines;
    }
    return this.#fieldLines;
  }
}

/** The same by the parser of all of YAML. */
export function readAnyObjects(text: string): { readonly objects: readonly YamlObject[]; readonly problems: readonly YamlProblem[] } {
  const objects: YamlObject[] = [];
  const problems: YamlProblem[] = [];
  const lines = new LineCounter();
  const lineOf = (offset: number) => lines.linePos(offset).line;
  for (const document of parseAllDocuments(text, { lineCounter: lines, logLevel: 'silent', prettyErrors: false })) {
    if (!('contents' in document)) continue;
    const [error] = document.errors;
    if (error !== undefined) {
      const line = lineOf(error.pos[0]);
      problems.push({ line, message: yamlProblem(error.message, text, line) });
      continue;
    }
    const root = document.contents;
    if (root === null || (isScalar(root) && root.value === null)) continue;
    let value: unknown;
    try {
      value = document.toJS({ maxAliasCount: 100 });
    } catch (cause) {
      const line = lineOf(unresolvedAlias(document) ?? root.range?.[0] ?? 0);
      problems.push({ line, message: yamlProblem(cause instanceof Error ? cause.message : String(cause), text, line) });
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

/** Where the first alias stands that no anchor belongs to, which often is text that begins with `*` and lacks its quotes. */
function unresolvedAlias(document: Document.Parsed): number | undefined {
  let offset: number | undefined;
  visit(document, {
    Alias: (_, alias) => {
      if (alias.resolve(document) !== undefined) return undefined;
      offset = alias.range?.[0];
      return visit.BREAK;
    },
  });
  return offset;
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
