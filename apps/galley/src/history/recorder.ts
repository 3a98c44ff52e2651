import { type ObjectKey, objectKey } from '@xebec/config';
import { Backoff, type Clock, errorText, type Logger, type Random } from '@xebec/core';
import { type ConfigVersion, type ContentChange, canonical, contentOf, latestContents, type PublishedChange } from '@xebec/history';
import type { ConfigObject } from '@xebec/schemas';
import type { Authors } from './authors.ts';
import type { HistoryStore } from './history-store.ts';
import { type Unnumbered, VersionQueue } from './version-queue.ts';

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

interface InForce {
  readonly objects: readonly ConfigObject[];
  readonly except: ReadonlySet<ObjectKey>;
}

/** With the history out of reach for long, the oldest unwritten versions are given up. */
const MAX_PENDING = 1_000;
/** What is stored is seen this soon; a note that is older is of an earlier write with the same content. */
const SEEN_WITHIN_MS = 60_000;
const RETRY = { baseMs: 100, maxMs: 5_000 };

/**
 * Writes versions in their order, and drops the oldest beyond the limit. What cannot be written is tried again and delays nothing else.
 * Of several Galleys one leads and writes; the others remember what is not written yet, for the case that they come to lead. Nothing is
 * written twice also when two believe to lead: a number is taken once, and who finds it taken reads what the other has written.
 */
export function createRecorder(options: RecorderOptions) {
  const { store, authors, clock, random, logger } = options;
  const queue = new VersionQueue(clock);
  let leads = false;
  let numbers: number[] | undefined;
  /** The newest number of which the queue knows; undefined until the history was read for the first time. */
  let newest: number | undefined;
  /** The versions that bundles became: a bundle that Galley finds complete at its start may be one already. */
  const bundles = new Map<string, number>();
  /** What is to be compared with the history, once it can be read. */
  let unchecked: InForce | undefined;
  let running: Promise<void> | undefined;
  let closed = false;
  let failing = false;

  const hasWork = (): boolean => leads && !closed && (queue.length > 0 || unchecked !== undefined);
  const pump = (): void => {
    if (!hasWork()) return;
    running ??= drain().finally(() => {
      running = undefined;
      // Something came between the last look at the queue and now.
      pump();
    });
  };
  const add = (version: Unnumbered): Promise<number | undefined> =>
    new Promise((resolve) => {
      const known = bundles.get(version.bundle);
      if (known !== undefined) return resolve(known);
      queue.add(version, resolve);
      const given = queue.shorten(MAX_PENDING);
      if (!leads || closed) return resolve(undefined);
      if (given > 0) options.onLost(given);
      pump();
    });
  const learn = (version: ConfigVersion): void => {
    if (version.bundle !== '') bundles.set(version.bundle, version.number);
    if (newest !== undefined && version.number > newest) queue.recorded(version);
  };
  const read = async (): Promise<readonly ConfigVersion[]> => {
    const history = await store.list();
    for (const version of history) learn(version);
    numbers = history.map(({ number }) => number);
    newest = Math.max(newest ?? 0, numbers.at(-1) ?? 0);
    queue.continue(latestContents(history), bundles);
    return history;
  };
  /** What was changed while nobody looked becomes a version. */
  const check = async ({ objects, except }: InForce): Promise<void> => {
    const history = await read();
    const found = foundChanges(history, objects, new Set([...except, ...queue.keys()]));
    if (found.length === 0) return;
    const version: Unnumbered = { time: now(), author: '', cause: 'found', bundle: '', message: '', changes: found };
    queue.addFirst({ version, done: () => undefined });
  };
  const writeNext = async (): Promise<void> => {
    if (numbers === undefined) await read();
    numbers ??= [];
    const next = queue.take();
    if (next === undefined) return;
    try {
      const number = (numbers.at(-1) ?? 0) + 1;
      if (!(await store.add({ ...next.version, number }))) {
        // Another Galley writes too: look again what there is.
        numbers = undefined;
        queue.addFirst(next);
        return;
      }
      numbers.push(number);
      newest = number;
      next.done(number);
      options.onRecorded();
    } catch (error) {
      // It may have been written all the same: reading the history again will tell.
      queue.addFirst(next);
      throw error;
    }
    for (let oldest = numbers[0]; oldest !== undefined && numbers.length > options.limit; oldest = numbers[0]) {
      numbers.shift();
      await store.remove(oldest);
    }
  };
  const drain = async (): Promise<void> => {
    const backoff = new Backoff(RETRY, random);
    // What is asked for in the same turn is in the queue before the first is written.
    await Promise.resolve();
    while (hasWork()) {
      try {
        const looked = unchecked;
        if (looked !== undefined) {
          await check(looked);
          if (unchecked === looked) unchecked = undefined;
        }
        await writeNext();
        if (failing) logger.info({}, 'the history is written again');
        failing = false;
        backoff.reset();
      } catch (error) {
        if (closed) return;
        if (!failing) logger.warn({}, `the history cannot be written, trying again: ${errorText(error)}`);
        failing = true;
        numbers = undefined;
        queue.answer();
        await new Promise<void>((resolve) => void clock.setTimeout(resolve, backoff.nextMs()));
      }
    }
  };
  const now = () => new Date(clock.now()).toISOString();
  return {
    /** Resolves with the version's number; undefined when it is not written at once. */
    record: ({ changes, bundle }: PublishedChange): Promise<number | undefined> => {
      const author = authors.of(changes, (bundle?.createdAt ?? clock.now()) - SEEN_WITHIN_MS);
      if (leads) authors.forget(changes);
      const cause = bundle === undefined ? 'change' : 'bundle';
      return add({ time: now(), author, cause, bundle: bundle?.id ?? '', message: bundle?.message ?? '', changes });
    },
    /** Whom this Galley's admission knows as the author of a version that another has written. */
    authorOf: ({ changes, cause, time }: ConfigVersion): string =>
      authors.of(changes, cause === 'bundle' ? 0 : Date.parse(time) - SEEN_WITHIN_MS),
    /**
     * Writes from now on. Compares what is in force with what the history knows: what was changed while nobody looked becomes a version.
     * Objects of `except` belong to bundles, which become versions of their own. An empty history begins with what there is.
     */
    lead: (objects: readonly ConfigObject[], except: ReadonlySet<ObjectKey>): void => {
      leads = true;
      unchecked = { objects, except };
      pump();
    },
    /** Another Galley writes from now on. */
    follow: (): void => {
      leads = false;
      numbers = undefined;
      void store.list().then(
        (history) => {
          if (!leads) for (const version of history) seen(version);
        },
        () => undefined,
      );
    },
    /** The history as it is at the start. */
    known: (history: readonly ConfigVersion[]): void => {
      if (newest === undefined) {
        for (const version of history) learn(version);
        newest = history.at(-1)?.number ?? 0;
      } else for (const version of history) seen(version);
    },
    /** A version that was written; false when it is no news from another Galley. */
    seen,
    close: async () => {
      closed = true;
      await running;
      queue.answer();
    },
  };

  function seen(version: ConfigVersion): boolean {
    // Who leads hears of its own versions, and reads the history when a number is taken.
    if (leads || (newest !== undefined && version.number <= newest)) return false;
    learn(version);
    newest = version.number;
    return true;
  }
}

export type Recorder = ReturnType<typeof createRecorder>;

/** How what is in force differs from what the history ends with, but for the objects of `except`. */
function foundChanges(
  history: readonly ConfigVersion[],
  objects: readonly ConfigObject[],
  except: ReadonlySet<ObjectKey>,
): readonly ContentChange[] {
  const live = new Map(objects.map((object) => [objectKey(object), object]));
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
  return changes;
}
