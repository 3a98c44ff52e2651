import type { Clock } from '@xebec/core';

/** What one proxy is to get: everything, or endpoints only. Two requests for one proxy become one. */
export interface PushRequest {
  readonly full: boolean;
  /** When the oldest change behind it arrived, on the monotonic clock. */
  readonly since: number;
  readonly queuedAt: number;
}

/** Longest time that pushes hold the event loop at a stretch: streams must be read and health answered in between. */
const SLICE_MS = 8;

/** Proxies that wait for a push, served in the order they came, a time slice at a go. */
export class PushQueue<T> {
  readonly #clock: Clock;
  readonly #push: (target: T, request: PushRequest) => void;
  readonly #waiting = new Map<T, PushRequest>();
  #scheduled: NodeJS.Immediate | undefined;

  constructor(clock: Clock, push: (target: T, request: PushRequest) => void) {
    this.#clock = clock;
    this.#push = push;
  }
  get size(): number {
    return this.#waiting.size;
  }
  add(target: T, request: { readonly full: boolean; readonly since: number }): void {
    const before = this.#waiting.get(target);
    this.#waiting.set(target, {
      full: request.full || before?.full === true,
      since: Math.min(request.since, before?.since ?? request.since),
      queuedAt: before?.queuedAt ?? this.#clock.monotonic(),
    });
    this.#scheduled ??= setImmediate(() => this.#drain());
  }
  remove(target: T): void {
    this.#waiting.delete(target);
  }
  close(): void {
    clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    this.#waiting.clear();
  }
  #drain(): void {
    const end = this.#clock.monotonic() + SLICE_MS;
    for (const [target, request] of this.#waiting) {
      this.#waiting.delete(target);
      this.#push(target, request);
      if (this.#clock.monotonic() >= end) break;
    }
    this.#scheduled = this.#waiting.size === 0 ? undefined : setImmediate(() => this.#drain());
  }
}
