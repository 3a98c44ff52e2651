import { type Clock, Deadline, type DeadlineOwner, type Deadlines } from '@xebec/core';
import { type ConnectionInfo, createStreamInfo, type FormatContext } from '@xebec/telemetry';
import type { ByteMeter } from '@xebec/wire';
import type { HttpSettings } from './http-settings.ts';
import type { HeadTimeout } from './refused-request.ts';

/** What a head that does not end asks of its connection. */
export interface PendingHeadOwner {
  readonly settings: HttpSettings;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly connectionInfo: ConnectionInfo;
  onHeadTimeout(limit: HeadTimeout): void;
}

const limits: readonly HeadTimeout[] = ['stream timeout', 'request timeout', 'request header timeout', 'downstream duration timeout'];

/** A request whose head has begun and not ended: for Envoy it is a stream with all its time limits from its first byte on. */
export class PendingHead implements DeadlineOwner {
  readonly #owner: PendingHeadOwner;
  readonly #bytes: ByteMeter;
  readonly #deadline: Deadline | undefined;
  readonly startMs: number;
  readonly startMonotonicMs: number;

  constructor(owner: PendingHeadOwner, bytes: ByteMeter) {
    this.#owner = owner;
    this.#bytes = bytes;
    const { settings, clock } = owner;
    this.startMs = clock.now();
    this.startMonotonicMs = clock.monotonic();
    settings.stats.rqTotal.add(1);
    settings.stats.rqHttp1.add(1);
    settings.stats.rqActive.add(1);
    const { streamIdleTimeoutMs, requestTimeoutMs, requestHeadersTimeoutMs, maxStreamMs } = settings;
    let shortest = -1;
    let shortestMs = 0;
    [streamIdleTimeoutMs, requestTimeoutMs, requestHeadersTimeoutMs, maxStreamMs].forEach((ms, kind) => {
      if (ms === 0 || (shortest >= 0 && shortestMs <= ms)) return;
      shortest = kind;
      shortestMs = ms;
    });
    if (shortest < 0) return;
    this.#deadline = new Deadline(this, shortest);
    owner.deadlines.arm(this.#deadline, shortestMs, this.startMonotonicMs);
  }
  onDeadline(kind: number): void {
    const limit = limits[kind];
    if (limit !== undefined) this.#owner.onHeadTimeout(limit);
  }
  /** The head is whole, or has been answered: it counts as a request of its own from here. */
  end(): void {
    this.#deadline?.cancel();
    this.#owner.settings.stats.rqActive.add(-1);
  }
  /** The client has left. */
  cutOff(): void {
    this.end();
    const { settings, connectionInfo, clock } = this.#owner;
    settings.stats.rqRxReset.add(1);
    if (settings.accessLogs.length === 0 && !settings.tap.watched) return;
    const info = createStreamInfo(connectionInfo, this.startMs, this.startMonotonicMs);
    info.protocol = 'HTTP/1.1';
    info.downstreamBytes = this.#bytes;
    info.responseFlags.add('DC');
    info.responseCodeDetails = 'downstream_remote_disconnect';
    info.durationMs = clock.monotonic() - this.startMonotonicMs;
    const context: FormatContext = { info, accessLogType: 'DownstreamEnd' };
    for (const log of settings.accessLogs) log.log(context);
    if (settings.tap.watched) settings.tap.see(context);
  }
}
