import type { Clock } from '@xebec/core';
import type { FormatContext } from '@xebec/telemetry';
import { EventLimit } from './event-limit.ts';
import { HeaderView } from './shown-headers.ts';
import { tapEvent } from './tap-event.ts';
import { compileTapFilter, type TapFilter } from './tap-filter.ts';
import type { TapRequest } from './tap-request.ts';
import { type TapProxy, TapSubject } from './tap-subject.ts';

/** What somebody looks at: a viewer's number in this process, and what it wants. */
export interface ActiveTap {
  readonly id: number;
  readonly request: TapRequest;
}

/** What a thread has seen for one viewer. */
export interface TapReport {
  readonly id: number;
  /** An event as a line of JSON, with its end of line; undefined when there are only numbers to tell. */
  readonly line: string | undefined;
  /** Matched since the last report, and left out because of `maxRps`. */
  readonly dropped: number;
}

interface Tap extends ActiveTap {
  readonly matches: TapFilter;
  readonly view: HeaderView;
  readonly limit: EventLimit;
  dropped: number;
}

/** Clusters of the bootstrap behind which the proxy's own pages are: probes and scrapes are nobody's traffic. */
const ownPages: ReadonlySet<string> = new Set(['agent', 'prometheus_stats']);
/** How long dropped events may stay uncounted where no other event tells of them. */
const reportDelayMs = 500;

/**
 * The place in a thread where finished requests and connections can be seen. Traffic asks `watched` and nothing else while nobody
 * looks. What it finds goes to `send`, which must not block: bounding what waits is the receiver's task.
 */
export class TapHub {
  /** Somebody looks. */
  watched = false;
  readonly #clock: Clock;
  readonly #proxy: TapProxy;
  readonly #send: (report: TapReport) => void;
  readonly #takes: (id: number) => boolean;
  #taps: readonly Tap[] = [];
  #cancelReport: (() => void) | undefined;

  /** `takes`: asked before an event is made, where the receiver is in this thread. False: it has counted the event as lost. */
  constructor(clock: Clock, proxy: TapProxy, send: (report: TapReport) => void, takes: (id: number) => boolean = () => true) {
    this.#clock = clock;
    this.#proxy = proxy;
    this.#send = send;
    this.#takes = takes;
  }
  /** All who look from now on; who did before keeps its state. */
  set(active: readonly ActiveTap[]): void {
    const known = new Map(this.#taps.map((tap) => [tap.id, tap]));
    this.#taps = active.map(({ id, request }) => known.get(id) ?? this.#compile(id, request));
    this.watched = this.#taps.length > 0;
    if (!this.watched) {
      this.#cancelReport?.();
      this.#cancelReport = undefined;
    }
  }
  /** A request or connection has ended. Only to be called while `watched`. */
  see(context: FormatContext): void {
    if (ownPages.has(context.info.upstreamCluster)) return;
    const subject = new TapSubject(context, this.#proxy);
    for (const tap of this.#taps) {
      if (!tap.matches(subject)) continue;
      if (!tap.limit.take(this.#clock.monotonic())) {
        tap.dropped++;
        this.#cancelReport ??= this.#clock.setTimeout(() => this.#reportDrops(), reportDelayMs);
        continue;
      }
      const { id, dropped } = tap;
      if (!this.#takes(id)) continue;
      tap.dropped = 0;
      this.#send({ id, line: `${JSON.stringify(tapEvent(subject, tap.view))}\n`, dropped });
    }
  }
  #compile(id: number, request: TapRequest): Tap {
    return {
      id,
      request,
      matches: compileTapFilter(request),
      view: new HeaderView(request),
      limit: new EventLimit(request.maxRps),
      dropped: 0,
    };
  }
  #reportDrops(): void {
    this.#cancelReport = undefined;
    for (const tap of this.#taps) {
      if (tap.dropped === 0) continue;
      this.#send({ id: tap.id, line: undefined, dropped: tap.dropped });
      tap.dropped = 0;
    }
  }
}
