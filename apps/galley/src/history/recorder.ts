import { type ObjectKey, objectKey } from '@xebec/config';
import { Backoff, type Clock, errorText, type Logger, type Random } from '@xebec/core';
import {
  type ConfigVersion,
  type ContentChange,
  canonical,
  contentOf,
  latestContents,
  MAX_PACKED_BYTES,
  type PublishedChange,
  packChanges,
} from '@xebec/history';
import type { ConfigObject } from '@xebec/schemas';
import type { Authors } from './authors.ts';
import type { HistoryStore } from './history-store.ts';

export interface RecorderOptions {
  readonly store: HistoryStore;
  readonly authors: Authors;
  /** How many versions are kept. */
  readonly limit: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly onRecorded: () => void;
  readonly onLost: (versions: number) => void;
}

interface Pending {
  readonly version: Omit<ConfigVersion, 'number'>;
  readonly done: (number: number | undefined) => void;
}

/** Above this many waiting versions, single changes are put together: a restore of a thousand objects need not be a thousand versions. */
const MERGE_ABOVE = 20;
/** With the history out of reach for long, the oldest unwritten versions are given up. */
const MAX_PENDING = 1_000;
const RETRY = { baseMs: 100, maxMs: 5_000 };

/** Writes versions in their order, and drops the oldest beyond the limit. What cannot be written is tried again and delays nothing else. */
export function createRecorder(options: RecorderOptions) {
  const { store, authors, clock, random, logger } = options;
  const queue: Pending[] = [];
  let numbers: number[] | undefined;
  /** The versions that bundles became: a bundle that Galley finds complete at its start may be one already. */
  const bundles = new Map<string, number>();
  let running: Promise<void> | undefined;
  let closed = false;
  let failing = false;

  const pump = (): void => {
    running ??= drain().finally(() => {
      running = undefined;
      // Something came between the last look at the queue and now.
      if (queue.length > 0 && !closed) pump();
    });
  };
  const add = (version: Omit<ConfigVersion, 'number'>): Promise<number | undefined> =>
    new Promise((resolve) => {
      for (const part of fitting(version)) queue.push({ version: part, done: resolve });
      if (queue.length > MAX_PENDING) {
        const given = queue.splice(0, queue.length - MAX_PENDING);
        for (const { done } of given) done(undefined);
        options.onLost(given.length);
      }
      pump();
    });
  const read = async (): Promise<readonly ConfigVersion[]> => {
    const history = await store.list();
    numbers = history.map(({ number }) => number);
    for (const { bundle, number } of history) if (bundle !== '') bundles.set(bundle, number);
    return history;
  };
  const drain = async (): Promise<void> => {
    const backoff = new Backoff(RETRY, random);
    // What is asked for in the same turn is in the queue before the first is written.
    await Promise.resolve();
    while (queue.length > 0 && !closed) {
      const next = takeNext(queue);
      try {
        if (numbers === undefined) await read();
        numbers ??= [];
        const known = bundles.get(next.version.bundle);
        if (known !== undefined && next.version.changes.length > 0) {
          next.done(known);
          continue;
        }
        const number = (numbers.at(-1) ?? 0) + 1;
        if (!(await store.add({ ...next.version, number }))) {
          // Another Galley writes too: look again what there is.
          numbers = undefined;
          queue.unshift(next);
          continue;
        }
        numbers.push(number);
        next.done(number);
        options.onRecorded();
        if (failing) logger.info({}, 'the history is written again');
        failing = false;
        backoff.reset();
        for (let oldest = numbers[0]; oldest !== undefined && numbers.length > options.limit; oldest = numbers[0]) {
          numbers.shift();
          await store.remove(oldest);
        }
      } catch (error) {
        if (closed) return;
        if (!failing) logger.warn({}, `the history cannot be written, trying again: ${errorText(error)}`);
        failing = true;
        numbers = undefined;
        // A version whose number is not taken was not written; one that was fails with a conflict and gets the next number.
        queue.unshift(next);
        next.done(undefined);
        await new Promise<void>((resolve) => void clock.setTimeout(resolve, backoff.nextMs()));
      }
    }
  };
  const now = () => new Date(clock.now()).toISOString();
  return {
    /** Resolves with the version's number; undefined when it is not written at once. */
    record: ({ changes, bundle }: PublishedChange): Promise<number | undefined> =>
      add({
        time: now(),
        author: authors.of(changes),
        cause: bundle === undefined ? 'change' : 'bundle',
        bundle: bundle?.id ?? '',
        message: bundle?.message ?? '',
        changes,
      }),
    /**
     * Compares what is stored with what the history knows: what was changed while nobody looked becomes a version. Objects of
     * `except` belong to bundles, which become versions of their own. An empty history begins with what there is.
     */
    catchUp: async (objects: readonly ConfigObject[], except: ReadonlySet<ObjectKey>): Promise<void> => {
      const live = new Map(objects.map((object) => [objectKey(object), object]));
      try {
        const history = await read();
        const changes: ContentChange[] = [];
        const latest = latestContents(history);
        for (const [key, before] of latest) {
          const object = live.get(key);
          const after = object === undefined ? undefined : contentOf(object);
          if (!except.has(key) && canonical(before) !== canonical(after)) changes.push({ before, after });
        }
        // Creation times are whole seconds.
        const since = Math.floor(Date.parse(history.at(-1)?.time ?? '') / 1000) * 1000;
        for (const [key, object] of live)
          if (!latest.has(key) && !except.has(key) && Date.parse(object.metadata.creationTimestamp) >= since)
            changes.push({ before: undefined, after: contentOf(object) });
        if (changes.length > 0) await add({ time: now(), author: '', cause: 'found', bundle: '', message: '', changes });
      } catch (error) {
        logger.warn({}, `the history cannot be read: ${errorText(error)}`);
      }
    },
    close: async () => {
      closed = true;
      await running;
    },
  };
}

export type Recorder = ReturnType<typeof createRecorder>;

function takeNext(queue: Pending[]): Pending {
  const [first] = queue;
  if (first === undefined) throw new Error('the queue is empty');
  if (queue.length <= MERGE_ABOVE || first.version.cause !== 'change') {
    queue.shift();
    return first;
  }
  const end = queue.findIndex(({ version }) => version.cause !== 'change' || version.author !== first.version.author);
  const run = queue.slice(0, end === -1 ? queue.length : end);
  const changes: ContentChange[] = [];
  let taken = 0;
  for (const { version } of run) {
    // Well below what one object may hold packed: unpacked it is ten times that.
    if (taken > 0 && JSON.stringify(version.changes).length + JSON.stringify(changes).length > MAX_PACKED_BYTES) break;
    changes.push(...version.changes);
    taken++;
    if (taken === 200) break;
  }
  const merged = queue.splice(0, taken);
  return {
    version: { ...first.version, changes },
    done: (number) => {
      for (const { done } of merged) done(number);
    },
  };
}

/** One version, or several where it is too large for one object. */
function fitting(version: Omit<ConfigVersion, 'number'>): Omit<ConfigVersion, 'number'>[] {
  const { changes } = version;
  if (changes.length <= 1 || packChanges(changes).length <= MAX_PACKED_BYTES) return [version];
  const half = Math.ceil(changes.length / 2);
  return [...fitting({ ...version, changes: changes.slice(0, half) }), ...fitting({ ...version, changes: changes.slice(half) })];
}
