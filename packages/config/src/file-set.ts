import { hash } from 'node:crypto';
import type { Logger } from '@xebec/core';
import type { ConfigObject, SourceReference } from '@xebec/schemas';
import { decodeAny } from './decode.ts';
import type { ObjectStore } from './object-store.ts';
import { type ConfigProblem, type ObjectKey, objectKey, problemText } from './source.ts';
import { lineOfField, readYamlObjects, type YamlObject } from './yaml-documents.ts';

/** A file as it is now: its text, or why it cannot be read. */
export type FileContent = { readonly text: string } | { readonly failure: string };

export interface FileSetOptions {
  readonly store: ObjectStore;
  /** Where objects go that name no namespace. */
  readonly defaultNamespace: string;
  /** How problems are labelled in the log, such as `directory`. */
  readonly label: string;
  readonly logger: Logger;
}

interface LoadedFile {
  readonly digest: string;
  readonly objects: ReadonlyMap<ObjectKey, ConfigObject>;
  readonly problems: readonly ConfigProblem[];
}

/**
 * The objects of a set of YAML and JSON files. A document that is wrong is reported with file and line and left out; one that was
 * right before stays as it was until it is right again. Of two files with the same object the first by name counts.
 */
export class FileSet {
  readonly #options: FileSetOptions;
  readonly #files = new Map<string, LoadedFile>();
  /** Which files hold an object, in order of their names; nearly always one. */
  readonly #holders = new Map<ObjectKey, readonly string[]>();
  readonly #duplicates = new Map<ObjectKey, readonly ConfigProblem[]>();
  #problems: readonly ConfigProblem[] = [];

  constructor(options: FileSetOptions) {
    this.#options = options;
  }
  get files(): Iterable<string> {
    return this.#files.keys();
  }
  problems(): readonly ConfigProblem[] {
    return this.#problems;
  }
  /** Takes files as they are now, undefined for those that are gone, and puts what differs into the store as one change. */
  update(files: ReadonlyMap<string, FileContent | undefined>): void {
    const touched = new Set<ObjectKey>();
    for (const [file, content] of files) {
      const before = this.#files.get(file);
      const after = this.#load(file, content, before);
      if (after === before) continue;
      for (const key of before?.objects.keys() ?? []) this.#note(key, file, false, touched);
      for (const key of after?.objects.keys() ?? []) this.#note(key, file, true, touched);
      if (after === undefined) this.#files.delete(file);
      else this.#files.set(file, after);
    }
    const upserts: ConfigObject[] = [];
    const deletions: ObjectKey[] = [];
    for (const key of touched) {
      const object = this.#winner(key);
      if (object === undefined) deletions.push(key);
      else upserts.push(object);
    }
    this.#tellProblems();
    this.#options.store.apply(upserts, deletions);
  }

  #load(file: string, content: FileContent | undefined, before: LoadedFile | undefined): LoadedFile | undefined {
    if (content === undefined) return undefined;
    if ('failure' in content) {
      const problem = { origin: file, line: 0, message: content.failure };
      return { digest: '', objects: before?.objects ?? new Map(), problems: [problem] };
    }
    const digest = hash('sha256', content.text, 'hex');
    if (before?.digest === digest) return before;
    return { digest, ...decodeFile(file, content.text, this.#options.defaultNamespace, before?.objects ?? new Map()) };
  }
  #note(key: ObjectKey, file: string, holds: boolean, touched: Set<ObjectKey>): void {
    const others = (this.#holders.get(key) ?? []).filter((other) => other !== file);
    const holders = holds ? [...others, file].sort() : others;
    if (holders.length === 0) this.#holders.delete(key);
    else this.#holders.set(key, holders);
    touched.add(key);
  }
  #winner(key: ObjectKey): ConfigObject | undefined {
    const [first, ...others] = (this.#holders.get(key) ?? []).flatMap((file) => this.#files.get(file)?.objects.get(key) ?? []);
    if (first === undefined || others.length === 0) this.#duplicates.delete(key);
    else
      this.#duplicates.set(
        key,
        others.map((other) => duplicate(other, first)),
      );
    return first;
  }
  #tellProblems(): void {
    const { label, logger } = this.#options;
    const found = [...[...this.#files.values()].flatMap(({ problems }) => problems), ...[...this.#duplicates.values()].flat()];
    const known = new Set(this.#problems.map(problemText));
    for (const problem of found) if (!known.has(problemText(problem))) logger.error({ source: label }, problemText(problem));
    this.#problems = found;
  }
}

/** Whether a path below a directory is configuration: YAML or JSON, not hidden. `..data` is how volumes of ConfigMaps are mounted. */
export function isConfigFile(name: string): boolean {
  return /\.(ya?ml|json)$/.test(name) && !name.split('/').some((part) => part.startsWith('.') && !part.startsWith('..data'));
}

function duplicate({ kind, metadata, source }: ConfigObject, first: ConfigObject): ConfigProblem {
  return {
    origin: source?.file ?? '',
    line: source?.line ?? 0,
    message: `${kind} ${metadata.namespace}/${metadata.name} is already defined at ${first.source?.file ?? ''}:${first.source?.line ?? 0}; the first one counts`,
  };
}

function decodeFile(
  file: string,
  text: string,
  defaultNamespace: string,
  previous: ReadonlyMap<ObjectKey, ConfigObject>,
): { objects: ReadonlyMap<ObjectKey, ConfigObject>; problems: readonly ConfigProblem[] } {
  const read = readYamlObjects(text);
  const problems: ConfigProblem[] = read.problems.map(({ line, message }) => ({ origin: file, line, message }));
  const objects = new Map<ObjectKey, ConfigObject>();
  const refused = new Set<ObjectKey>();
  for (const document of read.objects) {
    const decoded = decodeAny(document.value, { defaultNamespace, source: new FileReference(file, document) });
    if (decoded.ok) {
      if (decoded.value === undefined) continue;
      const key = objectKey(decoded.value);
      const first = objects.get(key);
      if (first === undefined) objects.set(key, decoded.value);
      else problems.push(duplicate(decoded.value, first));
      continue;
    }
    refused.add(keyOfRefused(document, defaultNamespace));
    for (const { path, message } of decoded.error)
      problems.push({ origin: file, line: lineOfField(document, path), message: path === '' ? message : `${path}: ${message}` });
  }
  // Of a file that no longer parses nothing can be told apart, so all its objects stay that are not in it again.
  const keepAll = read.problems.length > 0;
  for (const [key, object] of previous) if (!objects.has(key) && (keepAll || refused.has(key))) objects.set(key, object);
  return { objects, problems };
}

/** Where an object stands; the lines of its fields are looked for when somebody asks for them. */
class FileReference implements SourceReference {
  readonly file: string;
  readonly line: number;
  readonly #document: YamlObject;

  constructor(file: string, document: YamlObject) {
    this.file = file;
    this.line = document.line;
    this.#document = document;
  }
  get fieldLines(): Readonly<Record<string, number>> {
    return this.#document.fieldLines;
  }
}

function keyOfRefused(document: YamlObject, defaultNamespace: string): ObjectKey {
  const raw = typeof document.value === 'object' && document.value !== null ? document.value : {};
  const { apiVersion = '', kind = '', metadata = {} } = raw as { apiVersion?: unknown; kind?: unknown; metadata?: unknown };
  const { name = '', namespace = defaultNamespace } = (metadata ?? {}) as { name?: unknown; namespace?: unknown };
  return objectKey({ apiVersion: String(apiVersion), kind: String(kind), metadata: { name: String(name), namespace: String(namespace) } });
}
