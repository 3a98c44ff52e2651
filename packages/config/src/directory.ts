import { type FSWatcher, watch } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, Debounce, errorText, type Logger, XebecError } from '@xebec/core';
import { type FileContent, FileSet, isConfigFile } from './file-set.ts';
import { ObjectStore } from './object-store.ts';
import type { ConfigSource } from './source.ts';

export interface DirectoryOptions {
  readonly directory: string;
  /** Where objects go that name no namespace. */
  readonly defaultNamespace: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Quiet time after the last file event: an editor writes in several steps. */
const SETTLE = { quietMs: 10, maxMs: 200 };
/** After events everything is looked at once more, for those that were lost. */
const LOOK_AGAIN = { quietMs: 1_000, maxMs: 5_000 };
/** A file written so short a time ago may be written again with the same time and size. */
const RACY_MS = 100;
const MAX_BYTES = 32 * 1024 * 1024;

/** A directory of YAML and JSON files, with its folders, watched; see FileSet for what becomes of wrong ones. */
export function createDirectorySource(options: DirectoryOptions): ConfigSource {
  const { directory, logger, clock, defaultNamespace } = options;
  const store = new ObjectStore();
  const files = new FileSet({ store, defaultNamespace, label: 'directory', logger });
  /** What `stat` said of files when they were read: one that says the same is not read again. */
  const signatures = new Map<string, string>();
  /** Files that events named since the last scan, below `directory`. */
  let named = new Set<string>();
  let wanted: 'nothing' | 'named' | 'all' = 'nothing';
  let watcher: FSWatcher | undefined;
  let scanning: Promise<void> | undefined;
  let closed = false;

  /** The file as it is now; undefined: gone, or no file; `unchanged`: as it was read last. */
  const read = async (file: string, trustStat: boolean): Promise<FileContent | undefined | 'unchanged'> => {
    try {
      const found = await stat(file, { bigint: true });
      if (!found.isFile()) return undefined;
      const signature = `${found.ino}/${found.size}/${found.mtimeNs}/${found.ctimeNs}`;
      if (trustStat && signatures.get(file) === signature) return 'unchanged';
      if (found.size > MAX_BYTES) return { failure: `larger than ${MAX_BYTES} bytes` };
      const text = await readFile(file, 'utf8');
      const racy = clock.now() - Number(found.mtimeMs) < RACY_MS;
      signatures.set(file, racy ? '' : signature);
      return { text };
    } catch (error) {
      signatures.delete(file);
      // Gone between listing and reading, or unreadable: the first is normal.
      return error instanceof Error && 'code' in error && error.code === 'ENOENT' ? undefined : { failure: errorText(error) };
    }
  };
  const scan = async (all: boolean, some: ReadonlySet<string>): Promise<void> => {
    const names = all ? (await readdir(directory, { recursive: true })).filter(isConfigFile) : [...some];
    const contents = new Map<string, FileContent | undefined>();
    if (all) for (const file of files.files) contents.set(file, undefined);
    for (const name of names.sort()) {
      const file = join(directory, name);
      const content = await read(file, !some.has(name));
      if (content === 'unchanged') contents.delete(file);
      else contents.set(file, content);
    }
    files.update(contents);
  };
  /** One scan at a time; what happens during a scan makes another. */
  const rescan = (): Promise<void> => {
    if (scanning !== undefined) return scanning;
    const [all, some] = [wanted === 'all', named];
    wanted = 'nothing';
    named = new Set();
    scanning = scan(all, some)
      .catch((error: unknown) => logger.error({ directory }, `cannot read the configuration directory: ${errorText(error)}`))
      .finally(() => {
        scanning = undefined;
        if (wanted !== 'nothing' && !closed) void rescan();
      });
    return scanning;
  };
  const settle = new Debounce(SETTLE, clock, () => void rescan());
  const lookAgain = new Debounce(LOOK_AGAIN, clock, () => {
    wanted = 'all';
    void rescan();
  });
  const onEvent = (name: string | null): void => {
    if (name !== null && isConfigFile(name)) named.add(name);
    // A folder, or the link through which a ConfigMap's volume changes.
    else wanted = 'all';
    if (wanted === 'nothing') wanted = 'named';
    settle.trigger();
    lookAgain.trigger();
  };

  return {
    name: `directory ${directory}`,
    get synced() {
      return store.synced;
    },
    list: () => store.list(),
    subscribe: (listener) => store.subscribe(listener),
    onSynced: (listener) => store.onSynced(listener),
    problems: () => files.problems(),
    start: async () => {
      try {
        watcher = watch(directory, { recursive: true }, (_type, name) => onEvent(name));
        watcher.on('error', (error) => logger.error({ directory }, `watching the configuration directory failed: ${errorText(error)}`));
        await readdir(directory);
      } catch (cause) {
        throw new XebecError('E_CONFIG_DIR', `cannot read the configuration directory "${directory}"; check the path and its permissions`, {
          cause,
        });
      }
      wanted = 'all';
      await rescan();
      store.markSynced();
    },
    close: async () => {
      closed = true;
      settle.close();
      lookAgain.close();
      watcher?.close();
      await scanning;
    },
  };
}
