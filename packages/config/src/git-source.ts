import { type FSWatcher, watch } from 'node:fs';
import { join } from 'node:path';
import { type Clock, Debounce, errorText, type Logger } from '@xebec/core';
import { type FileContent, FileSet, isConfigFile } from './file-set.ts';
import { type GitFile, GitObjects } from './git-objects.ts';
import { ObjectStore } from './object-store.ts';
import type { ConfigProblem, ConfigSource } from './source.ts';

export interface GitSourceOptions {
  /** A work tree or a bare repository on this machine. */
  readonly repository: string;
  /** Branch, tag or any other revision; `HEAD` when absent. What is in the work tree and not committed does not count. */
  readonly ref?: string;
  /** Folder whose files count; the whole repository when absent. */
  readonly folder?: string;
  readonly defaultNamespace: string;
  /** How often the ref is looked at even though nothing was seen to change. */
  readonly pollMs?: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface GitSource extends ConfigSource {
  /** Looks at the ref now. */
  refresh(): Promise<void>;
  /** The commit in force. */
  readonly commit: string | undefined;
}

const POLL_MS = 10_000;
/** `git commit` and `git fetch` write several files. */
const SETTLE = { quietMs: 20, maxMs: 500 };
const MAX_FILES = 100_000;
const MAX_BYTES = 32 * 1024 * 1024;

/**
 * The YAML and JSON files of a Git repository at a ref. Each commit that the ref comes to is one change, however many files it touches.
 * While the repository cannot be read, the last commit stays in force.
 */
export function createGitSource(options: GitSourceOptions): GitSource {
  const { repository, ref = 'HEAD', folder = '', clock, logger, defaultNamespace } = options;
  const store = new ObjectStore();
  const files = new FileSet({ store, defaultNamespace, label: 'git', logger });
  const git = new GitObjects(repository);
  const watchers: FSWatcher[] = [];
  const name = `Git ${repository} at ${ref}`;
  /** Content id by file name. */
  let ids = new Map<string, string>();
  let commit: string | undefined;
  let failure: ConfigProblem | undefined;
  let reading: Promise<void> | undefined;
  let again = false;
  let closed = false;
  let cancelPoll: (() => void) | undefined;

  const check = async (): Promise<void> => {
    const latest = await git.commit(ref);
    if (latest === commit) return;
    const found = (await git.list(latest, folder)).filter(({ path }) => isConfigFile(path));
    if (found.length > MAX_FILES) throw new Error(`${found.length} files are more than ${MAX_FILES}; narrow it with path=`);
    const differing = found.filter(({ path, id, bytes }) => ids.get(path) !== id && bytes <= MAX_BYTES);
    const contents = await git.read([...new Set(differing.map(({ id }) => id))]);
    if (closed) return;
    files.update(changesTo(found, contents));
    ids = new Map(found.map(({ path, id }) => [path, id]));
    commit = latest;
    logger.info({ repository, ref, commit: latest, files: found.length }, `configuration is that of commit ${latest.slice(0, 12)}`);
  };
  const changesTo = (found: readonly GitFile[], contents: ReadonlyMap<string, string>): ReadonlyMap<string, FileContent | undefined> => {
    const changes = new Map<string, FileContent | undefined>();
    const present = new Set(found.map(({ path }) => path));
    for (const path of ids.keys()) if (!present.has(path)) changes.set(fileName(path), undefined);
    for (const { path, id, bytes } of found) {
      const text = contents.get(id);
      if (bytes > MAX_BYTES) changes.set(fileName(path), { failure: `larger than ${MAX_BYTES} bytes` });
      else if (text !== undefined && ids.get(path) !== id) changes.set(fileName(path), { text });
    }
    return changes;
  };
  const fileName = (path: string): string => join(repository, folder, path);
  /** One look at a time; what happens meanwhile makes another. */
  const refresh = (): Promise<void> => {
    if (reading !== undefined) {
      again = true;
      return reading;
    }
    reading = check()
      .then(
        () => {
          if (failure !== undefined) logger.info({ repository }, `${name} can be read again`);
          failure = undefined;
          store.markSynced();
        },
        (error: unknown) => {
          const problem = { origin: name, line: 0, message: `${errorText(error)}; what was read before stays in force` };
          if (!closed && failure?.message !== problem.message) logger.error({ repository }, `${name}: ${problem.message}`);
          failure = problem;
        },
      )
      .finally(() => {
        reading = undefined;
        if (!again || closed) return;
        again = false;
        return refresh();
      });
    return reading;
  };
  const settle = new Debounce(SETTLE, clock, () => void refresh());
  const poll = (): void => {
    cancelPoll = clock.setTimeout(() => {
      if (closed) return;
      void refresh();
      poll();
    }, options.pollMs ?? POLL_MS);
  };
  /** Refs change in `refs`, HEAD and packed-refs; what cannot be watched is polled. */
  const follow = async (): Promise<void> => {
    const directory = await git.directory();
    for (const [path, recursive] of [
      [directory, false],
      [join(directory, 'refs'), true],
    ] as const) {
      const watcher = watch(path, { recursive }, () => settle.trigger());
      watcher.on('error', (error) => logger.warn({ repository }, `watching ${path} failed, it is polled: ${errorText(error)}`));
      watchers.push(watcher);
    }
  };

  return {
    name,
    get synced() {
      return store.synced;
    },
    get commit() {
      return commit;
    },
    list: () => store.list(),
    subscribe: (listener) => store.subscribe(listener),
    onSynced: (listener) => store.onSynced(listener),
    problems: () => (failure === undefined ? files.problems() : [failure, ...files.problems()]),
    refresh,
    start: async () => {
      await follow().catch((error: unknown) => logger.warn({ repository }, `${name} is polled: ${errorText(error)}`));
      await refresh();
      poll();
    },
    close: async () => {
      closed = true;
      cancelPoll?.();
      settle.close();
      for (const watcher of watchers) watcher.close();
      git.close();
      await reading;
    },
  };
}
