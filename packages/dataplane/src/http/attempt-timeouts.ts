import { type Clock, Deadline, type DeadlineOwner, type Deadlines } from '@xebec/core';

const wholeKind = 0;
const tryKind = 1;
const tryIdleKind = 2;
const streamKind = 3;

/** Hears of limits that have passed. */
export interface AttemptTimeoutOwner {
  /** The whole request, all of its tries. */
  onTimeout(): void;
  onTryTimeout(): void;
  /** A try has moved no bytes for too long. */
  onTryIdle(): void;
  /** A stream upstream has lived for too long. */
  onStreamLimit(): void;
}

/** The time limits of a request upstream, milliseconds; 0 is no limit. */
export class AttemptTimeouts implements DeadlineOwner {
  readonly #owner: AttemptTimeoutOwner;
  readonly #deadlines: Deadlines;
  readonly #clock: Clock;
  #whole: Deadline | undefined = undefined;
  #try: Deadline | undefined = undefined;
  #tryIdle: Deadline | undefined = undefined;
  #stream: Deadline | undefined = undefined;

  constructor(owner: AttemptTimeoutOwner, deadlines: Deadlines, clock: Clock) {
    this.#owner = owner;
    this.#deadlines = deadlines;
    this.#clock = clock;
  }
  /** Begins once. */
  armWhole(ms: number, nowMs: number): void {
    if (ms === 0 || this.#whole !== undefined) return;
    this.#whole = new Deadline(this, wholeKind);
    this.#deadlines.arm(this.#whole, ms, nowMs);
  }
  armTry(ms: number): void {
    this.#try?.cancel();
    if (ms === 0) return;
    this.#try ??= new Deadline(this, tryKind);
    this.#deadlines.arm(this.#try, ms, this.#clock.monotonic());
  }
  /** Begins anew. */
  armTryIdle(ms: number): void {
    if (ms === 0) return;
    this.#tryIdle ??= new Deadline(this, tryIdleKind);
    this.#deadlines.arm(this.#tryIdle, ms, this.#clock.monotonic());
  }
  armStream(ms: number): void {
    if (ms === 0) return;
    this.#stream ??= new Deadline(this, streamKind);
    this.#deadlines.arm(this.#stream, ms, this.#clock.monotonic());
  }
  endWhole(): void {
    this.#whole?.cancel();
  }
  endTry(): void {
    this.#try?.cancel();
  }
  endTryIdle(): void {
    this.#tryIdle?.cancel();
  }
  close(): void {
    this.#whole?.cancel();
    this.#try?.cancel();
    this.#tryIdle?.cancel();
    this.#stream?.cancel();
  }
  onDeadline(kind: number): void {
    if (kind === wholeKind) this.#owner.onTimeout();
    else if (kind === tryKind) this.#owner.onTryTimeout();
    else if (kind === tryIdleKind) this.#owner.onTryIdle();
    else this.#owner.onStreamLimit();
  }
}
