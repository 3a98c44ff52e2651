import { type Clock, Deadline, type DeadlineOwner, type Deadlines } from '@xebec/core';
import type { HttpSettings } from './http-settings.ts';

const idleKind = 0;
const requestKind = 1;
const maxDurationKind = 2;

export interface StreamTimeoutOwner {
  onIdle(): void;
  onRequestTimeout(): void;
  onMaxDuration(): void;
}

/** The time limits of one stream: idle, whole request received, whole duration. 0 is no limit. */
export class StreamTimeouts implements DeadlineOwner {
  readonly #owner: StreamTimeoutOwner;
  readonly #deadlines: Deadlines;
  readonly #clock: Clock;
  #idleMs = 0;
  #lastActivityMs = 0;
  #idle: Deadline | undefined = undefined;
  #request: Deadline | undefined = undefined;
  #maxDuration: Deadline | undefined = undefined;

  constructor(owner: StreamTimeoutOwner, deadlines: Deadlines, clock: Clock) {
    this.#owner = owner;
    this.#deadlines = deadlines;
    this.#clock = clock;
  }
  start(settings: HttpSettings, awaitsBody: boolean, nowMs: number): void {
    if (settings.streamIdleTimeoutMs > 0) this.setIdle(settings.streamIdleTimeoutMs, nowMs);
    if (settings.maxStreamMs > 0) this.setMaxDuration(settings.maxStreamMs, nowMs);
    if (settings.requestTimeoutMs > 0 && awaitsBody) {
      this.#request = new Deadline(this, requestKind);
      this.#deadlines.arm(this.#request, settings.requestTimeoutMs, nowMs);
    }
  }
  /** A route's own limit replaces the connection manager's. */
  setIdle(ms: number, nowMs: number): void {
    if (ms === this.#idleMs) return;
    this.#idleMs = ms;
    if (ms === 0) {
      this.#idle?.cancel();
      return;
    }
    this.#lastActivityMs = nowMs;
    this.#idle ??= new Deadline(this, idleKind);
    this.#deadlines.arm(this.#idle, ms, nowMs);
  }
  setMaxDuration(ms: number, nowMs: number): void {
    this.#maxDuration?.cancel();
    if (ms === 0) return;
    this.#maxDuration ??= new Deadline(this, maxDurationKind);
    this.#deadlines.arm(this.#maxDuration, ms, nowMs);
  }
  /** Bytes have moved: the idle time begins anew. */
  touch(): void {
    if (this.#idleMs > 0) this.#lastActivityMs = this.#clock.monotonic();
  }
  onRequestEnd(): void {
    this.#request?.cancel();
  }
  close(): void {
    this.#idle?.cancel();
    this.#request?.cancel();
    this.#maxDuration?.cancel();
  }
  onDeadline(kind: number): void {
    if (kind === requestKind) this.#owner.onRequestTimeout();
    else if (kind === maxDurationKind) this.#owner.onMaxDuration();
    else this.#checkIdle();
  }
  /** Activity moves no timer, it leaves its time: only here is looked whether the stream was idle all along. */
  #checkIdle(): void {
    const nowMs = this.#clock.monotonic();
    const leftMs = this.#idleMs - (nowMs - this.#lastActivityMs);
    if (leftMs <= 1 || this.#idle === undefined) this.#owner.onIdle();
    else this.#deadlines.arm(this.#idle, Math.ceil(leftMs), nowMs);
  }
}
