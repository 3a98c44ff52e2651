import { Backoff, type BackoffOptions, type Clock, errorText, type Logger, type Random } from '@xebec/core';
import type { DeliveryEvents } from '../adapter.ts';

/** The other end will never take this batch: trying again is of no use. */
export class RefusedError extends Error {}

/** The other end takes the batch later, and said when. */
export class RetryLaterError extends Error {
  readonly afterMs: number;
  constructor(message: string, afterMs: number) {
    super(message);
    this.afterMs = afterMs;
  }
}

/** How much waits, for how long, and how it leaves. */
export interface DeliveryLimits {
  /** Entries that wait or are on their way; one more is dropped. */
  readonly maxEntries: number;
  /** The same in bytes, as `offer` is told them. */
  readonly maxBytes: number;
  /** A batch leaves when it has this many entries, or bytes, or when its first entry is this old. */
  readonly batchEntries: number;
  readonly batchBytes: number;
  readonly intervalMs: number;
  /** Of one attempt. */
  readonly timeoutMs: number;
  /** A batch is tried for so long, then dropped: what comes after it is newer. */
  readonly giveUpMs: number;
}

export interface DeliveryOptions<T> {
  /** For the log, such as `zipkin http://zipkin:9411/api/v2/spans`. */
  readonly destination: string;
  readonly limits: DeliveryLimits;
  /** Resolves when the other end has the batch, with the number of entries that it refused; see the two errors above. */
  readonly send: (batch: readonly T[], signal: AbortSignal) => Promise<number>;
  readonly events: DeliveryEvents;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

const RETRY: BackoffOptions = { baseMs: 200, maxMs: 10_000 };
const LONGEST_RETRY_AFTER_MS = 30_000;
/** `close` of a handler has a second in all. */
const CLOSE_MS = 800;
/** Drops are told at most so often. */
const DROP_NEWS_MS = 10_000;

type Waiting<T> = { readonly entry: T; readonly bytes: number };

/**
 * Takes entries at once and brings them to another system in batches, one after the other and in order. What waits is bounded;
 * each entry is counted once, as delivered or as dropped.
 */
export class Delivery<T> {
  readonly #options: DeliveryOptions<T>;
  readonly #backoff: Backoff;
  readonly #aborted = new AbortController();
  #queue: Waiting<T>[] = [];
  /** Entries and bytes in the queue. */
  #queuedBytes = 0;
  /** The batch that is on its way. */
  #sendingEntries = 0;
  #sendingBytes = 0;
  /** Entries at the queue's head that leave even if they make no full batch. */
  #due = 0;
  #cancelTimer: (() => void) | undefined;
  #running: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #wake: () => void = () => undefined;
  #failing = false;
  #unsaidDrops = 0;
  #nextDropNews = Number.NEGATIVE_INFINITY;

  constructor(options: DeliveryOptions<T>) {
    this.#options = options;
    this.#backoff = new Backoff(RETRY, options.random);
  }

  /** Takes one entry; false when there was no room for it, which is counted. */
  offer(entry: T, bytes: number): boolean {
    const { maxEntries, maxBytes, intervalMs } = this.#options.limits;
    const fits =
      this.#closing === undefined &&
      this.#queue.length + this.#sendingEntries < maxEntries &&
      this.#queuedBytes + this.#sendingBytes + bytes <= maxBytes;
    if (!fits) {
      this.#dropped(1, 'no room for more');
      return false;
    }
    this.#queue.push({ entry, bytes });
    this.#queuedBytes += bytes;
    if (this.#full()) this.#start();
    else this.#cancelTimer ??= this.#options.clock.setTimeout(() => this.#tick(), intervalMs);
    return true;
  }
  /** Entries that wait or are on their way. */
  get waiting(): number {
    return this.#queue.length + this.#sendingEntries;
  }
  /** Sends what waits without waiting for more; resolves when that is delivered or dropped. */
  async flush(): Promise<void> {
    this.#due = this.#queue.length;
    this.#start();
    await this.#running;
  }
  /** Sends what waits, gives up after less than a second and counts the rest as dropped. */
  close(): Promise<void> {
    this.#closing ??= this.#finish();
    return this.#closing;
  }

  async #finish(): Promise<void> {
    // `close` is to be set before anything is sent: a failure is final from here on.
    await Promise.resolve();
    const cancel = this.#options.clock.setTimeout(() => this.#aborted.abort(), CLOSE_MS);
    this.#wake();
    await this.flush();
    cancel();
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const left = this.#queue.length;
    this.#queue = [];
    this.#queuedBytes = 0;
    if (left > 0) this.#dropped(left, 'closed before they could be sent');
  }
  #full(): boolean {
    const { batchEntries, batchBytes } = this.#options.limits;
    return this.#queue.length >= batchEntries || this.#queuedBytes >= batchBytes;
  }
  #tick(): void {
    this.#cancelTimer = undefined;
    this.#due = this.#queue.length;
    this.#start();
  }
  #start(): void {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }
  async #run(): Promise<void> {
    while (this.#queue.length > 0 && (this.#due > 0 || this.#full())) {
      const arrived = await this.#deliver(this.#take());
      if (!arrived && this.#closing !== undefined) return;
    }
    if (this.#queue.length === 0) {
      this.#cancelTimer?.();
      this.#cancelTimer = undefined;
    } else if (this.#closing === undefined) {
      this.#cancelTimer ??= this.#options.clock.setTimeout(() => this.#tick(), this.#options.limits.intervalMs);
    }
  }
  /** The next batch: at least one entry, and no more bytes than a batch may have unless its only entry has them. */
  #take(): readonly T[] {
    const { batchEntries, batchBytes } = this.#options.limits;
    let count = 0;
    let bytes = 0;
    for (const waiting of this.#queue) {
      if (count >= batchEntries || (count > 0 && bytes + waiting.bytes > batchBytes)) break;
      count++;
      bytes += waiting.bytes;
    }
    const batch = this.#queue.splice(0, count).map(({ entry }) => entry);
    this.#queuedBytes -= bytes;
    this.#sendingEntries = count;
    this.#sendingBytes = bytes;
    this.#due = Math.max(0, this.#due - count);
    return batch;
  }
  /** Tries until the batch has arrived, was refused or is too old; false when the other end could not be reached. */
  async #deliver(batch: readonly T[]): Promise<boolean> {
    const { clock, limits, events, destination, logger } = this.#options;
    const startedMs = clock.monotonic();
    let reached = true;
    for (;;) {
      try {
        const refused = await this.#attempt(batch);
        this.#backoff.reset();
        if (this.#failing) logger.info({ destination }, `${destination} takes entries again`);
        this.#failing = false;
        if (refused < batch.length) events.delivered(batch.length - refused);
        if (refused > 0) this.#dropped(refused, 'refused');
        break;
      } catch (error) {
        const final = error instanceof RefusedError;
        if (final || this.#closing !== undefined || clock.monotonic() - startedMs >= limits.giveUpMs) {
          this.#dropped(batch.length, errorText(error));
          reached = final;
          break;
        }
        if (!this.#failing) logger.warn({ destination }, `${destination}: ${errorText(error)}; trying again`);
        this.#failing = true;
        const toldMs = error instanceof RetryLaterError ? Math.min(error.afterMs, LONGEST_RETRY_AFTER_MS) : 0;
        await this.#pause(Math.max(toldMs, this.#backoff.nextMs()));
      }
    }
    this.#sendingEntries = 0;
    this.#sendingBytes = 0;
    return reached;
  }
  /** One attempt; rejects when its time is over, whether the sender heeds the signal or not. */
  async #attempt(batch: readonly T[]): Promise<number> {
    const { clock, limits, send } = this.#options;
    const abort = new AbortController();
    const { promise: over, reject } = Promise.withResolvers<never>();
    const stop = (reason: string) => {
      abort.abort();
      reject(new Error(reason));
    };
    const onClose = () => stop('closed');
    if (this.#aborted.signal.aborted) return Promise.reject(new Error('closed'));
    this.#aborted.signal.addEventListener('abort', onClose);
    const cancel = clock.setTimeout(() => stop(`no answer within ${limits.timeoutMs} ms`), limits.timeoutMs);
    try {
      return await Promise.race([send(batch, abort.signal), over]);
    } finally {
      cancel();
      this.#aborted.signal.removeEventListener('abort', onClose);
    }
  }
  #pause(ms: number): Promise<void> {
    if (this.#closing !== undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#options.clock.setTimeout(resolve, ms);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
  #dropped(entries: number, reason: string): void {
    const { clock, events, destination, logger } = this.#options;
    events.dropped(entries);
    this.#unsaidDrops += entries;
    const nowMs = clock.monotonic();
    if (nowMs < this.#nextDropNews) return;
    this.#nextDropNews = nowMs + DROP_NEWS_MS;
    logger.warn({ destination, entries: this.#unsaidDrops }, `${destination}: ${this.#unsaidDrops} entries dropped: ${reason}`);
    this.#unsaidDrops = 0;
  }
}
