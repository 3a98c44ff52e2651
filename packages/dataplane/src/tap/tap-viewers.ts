import type { Clock } from '@xebec/core';
import { EventLimit } from './event-limit.ts';
import type { ActiveTap, TapReport } from './tap-hub.ts';
import { type TapRequest, tapLimits } from './tap-request.ts';

/** Where a viewer's lines go. */
export interface TapSink {
  /** Bytes that were written and not taken yet. */
  readonly waitingBytes: number;
  write(text: string): void;
  end(): void;
}

/** Numbers that a viewer is told within a quarter of a second when they change, and at the end. */
export interface TapStatus {
  readonly sent: number;
  /** Matched, and left out because of `max_rps`. */
  readonly dropped_by_rate: number;
  /** Left out because the viewer did not take what it had been sent. */
  readonly dropped_by_slow_viewer: number;
  /** Set in the last one. */
  readonly ended?: 'duration' | 'shutdown';
}

interface Viewer extends ActiveTap {
  readonly sink: TapSink;
  readonly limit: EventLimit;
  sent: number;
  droppedByRate: number;
  droppedBySlowViewer: number;
  /** As it was told. */
  told: string;
  toldAtMs: number;
  readonly cancel: (() => void)[];
}

/** A viewer that has so much before it gets nothing more until it has taken some. */
export const maxWaitingBytes = 256 * 1024;
/** So much is free before an event is made at all. */
const roomBytes = 16 * 1024;
const statusEveryMs = 250;
/** Without news: whoever carries the stream sees that it lives, and notices that nobody reads it. */
const heartbeatMs = 5000;

/** Who looks at this proxy's traffic: the one place for all threads. Each viewer has a bounded buffer, a rate and an end. */
export class TapViewers {
  readonly #clock: Clock;
  readonly #publish: (active: readonly ActiveTap[]) => void;
  readonly #viewers = new Map<number, Viewer>();
  #nextId = 1;

  /** `publish` tells all threads what to look for. */
  constructor(clock: Clock, publish: (active: readonly ActiveTap[]) => void) {
    this.#clock = clock;
    this.#publish = publish;
  }
  get count(): number {
    return this.#viewers.size;
  }
  get full(): boolean {
    return this.#viewers.size >= tapLimits.viewers;
  }
  /** Lets somebody look; returns what ends it. Ends the sink when its time is over. Not to be called when `full`. */
  open(request: TapRequest, sink: TapSink): () => void {
    const id = this.#nextId++;
    const viewer: Viewer = {
      id,
      request,
      sink,
      limit: new EventLimit(request.maxRps),
      sent: 0,
      droppedByRate: 0,
      droppedBySlowViewer: 0,
      told: '',
      toldAtMs: this.#clock.monotonic(),
      cancel: [],
    };
    this.#viewers.set(id, viewer);
    this.#publishAll();
    viewer.cancel.push(this.#clock.setTimeout(() => this.#end(viewer, 'duration'), request.durationMs));
    this.#tellRegularly(viewer);
    return () => this.#forget(viewer);
  }
  /** Whether a viewer has room for an event; counts it as lost where not. */
  takes(id: number): boolean {
    const viewer = this.#viewers.get(id);
    if (viewer === undefined) return false;
    if (viewer.sink.waitingBytes < maxWaitingBytes - roomBytes) return true;
    viewer.droppedBySlowViewer++;
    return false;
  }
  /** What a thread has seen. */
  receive({ id, line, dropped }: TapReport): void {
    const viewer = this.#viewers.get(id);
    if (viewer === undefined) return;
    viewer.droppedByRate += dropped;
    if (line === undefined) return;
    // Each thread keeps to the rate by itself, and all of them together have to.
    if (!viewer.limit.take(this.#clock.monotonic())) viewer.droppedByRate++;
    else if (viewer.sink.waitingBytes + line.length > maxWaitingBytes) viewer.droppedBySlowViewer++;
    else {
      viewer.sent++;
      viewer.sink.write(line);
    }
  }
  close(): void {
    for (const viewer of [...this.#viewers.values()]) this.#end(viewer, 'shutdown');
  }
  #tellRegularly(viewer: Viewer): void {
    const cancel = this.#clock.setTimeout(() => {
      viewer.cancel.splice(viewer.cancel.indexOf(cancel), 1);
      const silentMs = this.#clock.monotonic() - viewer.toldAtMs;
      if (statusText(viewer) !== viewer.told || silentMs >= heartbeatMs) this.#tell(viewer);
      this.#tellRegularly(viewer);
    }, statusEveryMs);
    viewer.cancel.push(cancel);
  }
  #tell(viewer: Viewer): void {
    if (viewer.sink.waitingBytes > maxWaitingBytes) return;
    viewer.told = statusText(viewer);
    viewer.toldAtMs = this.#clock.monotonic();
    viewer.sink.write(viewer.told);
  }
  #end(viewer: Viewer, ended: 'duration' | 'shutdown'): void {
    this.#forget(viewer);
    viewer.sink.write(statusText(viewer, ended));
    viewer.sink.end();
  }
  #forget(viewer: Viewer): void {
    if (!this.#viewers.delete(viewer.id)) return;
    for (const cancel of viewer.cancel.splice(0)) cancel();
    this.#publishAll();
  }
  #publishAll(): void {
    this.#publish([...this.#viewers.values()].map(({ id, request }) => ({ id, request })));
  }
}

function statusText({ sent, droppedByRate, droppedBySlowViewer }: Viewer, ended?: TapStatus['ended']): string {
  const tap_status: TapStatus = {
    sent,
    dropped_by_rate: droppedByRate,
    dropped_by_slow_viewer: droppedBySlowViewer,
    ...(ended === undefined ? {} : { ended }),
  };
  return `${JSON.stringify({ tap_status })}\n`;
}
