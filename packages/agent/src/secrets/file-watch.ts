import { type FSWatcher, realpathSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '@xebec/core';

/** Writers touch several files one after another: their events are waited for this long (Istio's FILE_DEBOUNCE_DURATION). */
export const FILE_DEBOUNCE_MS = 100;
/** Where nothing tells of changes (network mounts, a directory that is not there yet) files are looked at this often. */
const POLL_MS = 5000;

export interface FileWatch {
  /** Watch these files from now on, instead of those before. */
  follow(files: readonly string[]): void;
  close(): void;
}

/**
 * Calls back after something may have changed about some files: written in place, renamed over, or a link on the way to them moved, as
 * kubelet does with `..data`. It is for the caller to see whether their content is another.
 */
export function watchFiles(options: {
  readonly clock: Clock;
  readonly debounceMs?: number;
  onEvent(): void;
  onFailure(error: unknown): void;
}): FileWatch {
  const { clock } = options;
  const watchers = new Map<string, FSWatcher>();
  let files: readonly string[] = [];
  let cancel: (() => void) | undefined;
  let closed = false;

  const event = () => {
    if (cancel !== undefined || closed) return;
    cancel = clock.setTimeout(() => {
      cancel = undefined;
      renew();
      options.onEvent();
    }, options.debounceMs ?? FILE_DEBOUNCE_MS);
  };
  /** The directories of the names and of what they point to: a rename is told by its directory alone. */
  const renew = () => {
    const wanted = new Set(files.flatMap((file) => [dirname(file), dirname(resolved(file))]));
    for (const [directory, watcher] of watchers) {
      if (wanted.has(directory)) continue;
      watcher.close();
      watchers.delete(directory);
    }
    for (const directory of wanted) {
      if (watchers.has(directory)) continue;
      try {
        const watcher = watch(directory, { persistent: false }, event);
        const drop = () => {
          watcher.close();
          if (watchers.get(directory) === watcher) watchers.delete(directory);
        };
        watcher.on('error', (error) => {
          drop();
          options.onFailure(error);
        });
        watchers.set(directory, watcher);
      } catch (error) {
        // A directory that is not there yet is found by looking.
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) options.onFailure(error);
      }
    }
  };
  const poll = setInterval(() => {
    if (files.length === 0) return;
    // The inode behind a watched name may have been replaced without a word.
    renew();
    options.onEvent();
  }, POLL_MS);
  poll.unref();
  return {
    follow(next) {
      files = next;
      renew();
    },
    close() {
      closed = true;
      cancel?.();
      clearInterval(poll);
      for (const watcher of watchers.values()) watcher.close();
      watchers.clear();
    },
  };
}

function resolved(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file;
  }
}
