import type { Clock } from '@xebec/core';

/** What one proxy is to get: everything, or endpoints only. Two requests for one proxy become one. */
export interface PushRequest {
  readonly full: boolean;
  /** When the oldest change behind it arrived, on the monotonic clock. */
  readonly since: number;
  readonly queuedAt: number;
}

/** Something that is pushed to, over a network that may be slow. */
export interface PushTarget {
  /** What it was sent before has not been taken yet. */
  readonly sending: boolean;
  /** Calls back once when it has. */
  whenSent(callback: () => void): void;
}

export interface PushQueueOptions<T> {
  readonly clock: Clock;
  /** Targets that may be on the way at the same time. */
  readonly atOnce: number;
  readonly push: (target: T, request: PushRequest) => void;
}

/** Longest time that pushes hold the event loop at a stretch: streams must be read and health answered in between. */
const SLICE_MS = 8;

/** How long a target that takes nothing keeps its place among those on the way: it shall not hold up the others. */
const PLACE_MS = 5_000;

/**
 * Proxies that wait for a push, served in the order they came, a time slice at a go.
 *
 * So many are on the way at the same time and no more, and one that still takes in what it was sent gets nothing new until it
 * has: what changes meanwhile is gathered. That bounds what a busy network makes this server keep.
 */
export class PushQueue<T extends PushTarget> {
  readonly #options: PushQueueOptions<T>;
  readonly #waiting = new Map<T, PushRequest>();
  /** Targets that are sending, and what they get next. */
  readonly #sending = new Map<T, PushRequest | undefined>();
  /** Those of them that count against `atOnce`, and how their place ends before they are done. */
  readonly #places = new Map<T, () => void>();
  #scheduled: NodeJS.Immediate | undefined;
  #closed = false;

  constructor(options: PushQueueOptions<T>) {
    this.#options = options;
  }
  get size(): number {
    return this.#waiting.size;
  }
  /** Targets on the way. */
  get inFlight(): number {
    return this.#places.size;
  }
  add(target: T, request: { readonly full: boolean; readonly since: number }): void {
    const isSending = this.#sending.has(target);
    const before = isSending ? this.#sending.get(target) : this.#waiting.get(target);
    const merged = {
      full: request.full || before?.full === true,
      since: Math.min(request.since, before?.since ?? request.since),
      queuedAt: before?.queuedAt ?? this.#options.clock.monotonic(),
    };
    if (isSending) {
      this.#sending.set(target, merged);
      return;
    }
    this.#waiting.set(target, merged);
    this.#schedule();
  }
  remove(target: T): void {
    this.#waiting.delete(target);
    this.#sending.delete(target);
    this.#leavePlace(target);
  }
  close(): void {
    this.#closed = true;
    clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    this.#waiting.clear();
    this.#sending.clear();
    for (const cancel of this.#places.values()) cancel();
    this.#places.clear();
  }
  #schedule(): void {
    if (this.#closed || this.#waiting.size === 0 || this.#places.size >= this.#options.atOnce) return;
    this.#scheduled ??= setImmediate(() => this.#drain());
  }
  #drain(): void {
    const { clock, atOnce, push } = this.#options;
    this.#scheduled = undefined;
    const end = clock.monotonic() + SLICE_MS;
    for (const [target, request] of this.#waiting) {
      if (this.#places.size >= atOnce) break;
      this.#waiting.delete(target);
      if (target.sending) {
        this.#follow(target, request);
        continue;
      }
      push(target, request);
      if (target.sending) {
        this.#places.set(
          target,
          clock.setTimeout(() => this.#leavePlace(target), PLACE_MS),
        );
        this.#follow(target, undefined);
      }
      if (clock.monotonic() >= end) break;
    }
    this.#schedule();
  }
  /** Waits until the target has taken what it was sent; `next` is for then. */
  #follow(target: T, next: PushRequest | undefined): void {
    this.#sending.set(target, next);
    target.whenSent(() => {
      const due = this.#sending.get(target);
      // Removed meanwhile.
      if (!this.#sending.delete(target)) return;
      if (due !== undefined) this.#waiting.set(target, due);
      this.#leavePlace(target);
      this.#schedule();
    });
  }
  #leavePlace(target: T): void {
    this.#places.get(target)?.();
    if (this.#places.delete(target)) this.#schedule();
  }
}
