import { hash } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, Debounce, errorText, type Logger, XebecError } from '@xebec/core';
import type { ConfigObject } from '@xebec/schemas';
import { decodeAny } from './decode.ts';
import { ObjectStore } from './object-store.ts';
import { type ConfigProblem, type ConfigSource, type ObjectKey, objectKey, problemText } from './source.ts';
import { lineOfField, readYamlObjects, type YamlObject } from './yaml-documents.ts';

export interface DirectoryOptions {
  readonly directory: string;
  /** Where objects go that name no namespace. */
  readonly defaultNamespace: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface LoadedFile {
  readonly digest: string;
  readonly objects: readonly ConfigObject[];
  readonly problems: readonly ConfigProblem[];
}

/** Quiet time after the last file event: an editor writes in several steps. */
const SETTLE = { quietMs: 10, maxMs: 200 };

/**
 * A directory of YAML and JSON files, with its folders, watched. A document that is wrong is reported with file and line and
 * left out; one that was right before it was edited stays as it was until it is right again.
 */
export function createDirectorySource(options: DirectoryOptions): ConfigSource {
  const { directory, logger, clock } = options;
  const store = new ObjectStore();
  const files = new Map<string, LoadedFile>();
  let problems: readonly ConfigProblem[] = [];
  let watcher: FSWatcher | undefined;
  let scanning: Promise<void> | undefined;
  let again = false;
  let closed = false;

  const load = async (file: string): Promise<void> => {
    const bytes = await readFile(file);
    const digest = hash('sha256', bytes, 'hex');
    const before = files.get(file);
    if (before?.digest === digest) return;
    files.set(file, { digest, ...decodeFile(file, bytes.toString('utf8'), options.defaultNamespace, before?.objects ?? []) });
  };
  const scan = async (): Promise<void> => {
    const names = await readdir(directory, { recursive: true });
    const present = new Set<string>();
    for (const name of names.filter(isConfigFile).sort()) {
      const file = join(directory, name);
      try {
        if (!(await stat(file)).isFile()) continue;
        await load(file);
        present.add(file);
      } catch (error) {
        // Gone between listing and reading, or unreadable: the first is normal.
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') continue;
        present.add(file);
        files.set(file, {
          digest: '',
          objects: files.get(file)?.objects ?? [],
          problems: [{ origin: file, line: 0, message: errorText(error) }],
        });
      }
    }
    for (const file of [...files.keys()]) if (!present.has(file)) files.delete(file);
    publish();
  };
  const publish = (): void => {
    const objects = new Map<ObjectKey, ConfigObject>();
    const found: ConfigProblem[] = [...files.values()].flatMap((file) => file.problems);
    for (const object of [...files.values()].flatMap((file) => file.objects)) {
      const key = objectKey(object);
      const first = objects.get(key);
      if (first === undefined) objects.set(key, object);
      else found.push(duplicate(object, first));
    }
    const known = new Set(problems.map(problemText));
    for (const problem of found) if (!known.has(problemText(problem))) logger.error({ source: 'directory' }, problemText(problem));
    problems = found;
    store.replace(objects.values());
  };
  /** One scan at a time; what happens during a scan makes another. */
  const rescan = (): Promise<void> => {
    if (scanning !== undefined) {
      again = true;
      return scanning;
    }
    scanning = scan()
      .catch((error: unknown) => logger.error({ directory }, `cannot read the configuration directory: ${errorText(error)}`))
      .finally(() => {
        scanning = undefined;
        if (again && !closed) {
          again = false;
          void rescan();
        }
      });
    return scanning;
  };
  const settle = new Debounce(SETTLE, clock, () => void rescan());

  return {
    name: `directory ${directory}`,
    get synced() {
      return store.synced;
    },
    list: () => store.list(),
    subscribe: (listener) => store.subscribe(listener),
    onSynced: (listener) => store.onSynced(listener),
    problems: () => problems,
    start: async () => {
      try {
        watcher = watch(directory, { recursive: true }, () => settle.trigger());
        watcher.on('error', (error) => logger.error({ directory }, `watching the configuration directory failed: ${errorText(error)}`));
        await readdir(directory);
      } catch (cause) {
        throw new XebecError('E_CONFIG_DIR', `cannot read the configuration directory "${directory}"; check the path and its permissions`, {
          cause,
        });
      }
      await rescan();
      store.markSynced();
    },
    close: async () => {
      closed = true;
      settle.close();
      watcher?.close();
      await scanning;
    },
  };
}

function isConfigFile(name: string): boolean {
  return /\.(ya?ml|json)$/.test(name) && !name.split('/').some((part) => part.startsWith('.') && !part.startsWith('..data'));
}

function duplicate(object: ConfigObject, first: ConfigObject): ConfigProblem {
  const { kind, metadata, source } = object;
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
  previous: readonly ConfigObject[],
): { objects: readonly ConfigObject[]; problems: readonly ConfigProblem[] } {
  const read = readYamlObjects(text);
  const problems: ConfigProblem[] = read.problems.map(({ line, message }) => ({ origin: file, line, message }));
  const objects: ConfigObject[] = [];
  const refused = new Set<ObjectKey>();
  for (const document of read.objects) {
    const source = { file, line: document.line, fieldLines: document.fieldLines };
    const decoded = decodeAny(document.value, { defaultNamespace, source });
    if (decoded.ok) {
      if (decoded.value !== undefined) objects.push(decoded.value);
      continue;
    }
    refused.add(keyOfRefused(document, defaultNamespace));
    for (const { path, message } of decoded.error) {
      problems.push({ origin: file, line: lineOfField(document, path), message: path === '' ? message : `${path}: ${message}` });
    }
  }
  // Of a file that no longer parses nothing can be told apart, so all its objects stay that are not in it again.
  const present = new Set(objects.map(objectKey));
  const keepAll = read.problems.length > 0;
  objects.push(...previous.filter((object) => !present.has(objectKey(object)) && (keepAll || refused.has(objectKey(object)))));
  return { objects, problems };
}

function keyOfRefused(document: YamlObject, defaultNamespace: string): ObjectKey {
  const raw = typeof document.value === 'object' && document.value !== null ? document.value : {};
  const { apiVersion = '', kind = '', metadata = {} } = raw as { apiVersion?: unknown; kind?: unknown; metadata?: unknown };
  const { name = '', namespace = defaultNamespace } = (metadata ?? {}) as { name?: unknown; namespace?: unknown };
  return objectKey({ apiVersion: String(apiVersion), kind: String(kind), metadata: { name: String(name), namespace: String(namespace) } });
}
