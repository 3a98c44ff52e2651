import type { OutlierAverages } from '@xebec/balancing';
import type { Clock } from '@xebec/core';
import type { Host } from './host.ts';
import type { HostOutliers, OutlierDetection } from './outlier-detection.ts';

/** How often one host answered alike, one time after the other. `value`: a status, or for `failure` whether time ran out. */
export interface OutlierRun {
  readonly kind: 'status' | 'failure' | 'timeout' | 'connected' | 'connected-whole';
  readonly status: number;
  count: number;
}

/** By the text of the host's address. */
export type OutlierReport = ReadonlyMap<string, readonly OutlierRun[]>;

/** What goes well is told together; a failure is told with what came before it at the end of the turn. */
const successDelayMs = 20;

/**
 * A worker's side of outlier detection: who shall be ejected is decided where all workers are seen. What each host does is told in its
 * order; a success of one worker may come up to 20 ms late for another's failures.
 */
export class RelayedOutliers implements HostOutliers {
  readonly #clock: Clock;
  readonly #send: (report: OutlierReport) => void;
  #runs = new Map<string, OutlierRun[]>();
  #cancel: (() => void) | undefined;
  #urgent = false;

  constructor(clock: Clock, send: (report: OutlierReport) => void) {
    this.#clock = clock;
    this.#send = send;
  }
  get averages(): OutlierAverages {
    const none = { average: -1, threshold: -1 };
    return { external: none, local: none };
  }
  rates(): { readonly external: number; readonly local: number } {
    return { external: -1, local: -1 };
  }
  setHosts(): void {}
  onHealthy(): void {}
  onStatus(host: Host, status: number): void {
    this.#add(host, 'status', status, status >= 500);
  }
  onLocalFailure(host: Host, timedOut = false): void {
    this.#add(host, timedOut ? 'timeout' : 'failure', 0, true);
  }
  onConnected(host: Host, whole = false): void {
    this.#add(host, whole ? 'connected-whole' : 'connected', 0, false);
  }
  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#flush();
  }
  #add(host: Host, kind: OutlierRun['kind'], status: number, urgent: boolean): void {
    let runs = this.#runs.get(host.text);
    if (runs === undefined) {
      runs = [];
      this.#runs.set(host.text, runs);
    }
    const last = runs.at(-1);
    if (last !== undefined && last.kind === kind && last.status === status) last.count++;
    else runs.push({ kind, status, count: 1 });
    if (this.#cancel !== undefined && (this.#urgent || !urgent)) return;
    this.#cancel?.();
    this.#urgent = urgent;
    this.#cancel = this.#clock.setTimeout(
      () => {
        this.#cancel = undefined;
        this.#flush();
      },
      urgent ? 0 : successDelayMs,
    );
  }
  #flush(): void {
    if (this.#runs.size === 0) return;
    const runs = this.#runs;
    this.#runs = new Map();
    this.#send(runs);
  }
}

/** The main thread's side: as if it had seen all that itself. */
export function applyOutlierReport(report: OutlierReport, outliers: OutlierDetection, hosts: Iterable<Host>): void {
  for (const host of hosts) {
    for (const { kind, status, count } of report.get(host.text) ?? []) {
      for (let i = 0; i < count; i++) {
        if (kind === 'status') outliers.onStatus(host, status);
        else if (kind === 'failure' || kind === 'timeout') outliers.onLocalFailure(host, kind === 'timeout');
        else outliers.onConnected(host, kind === 'connected-whole');
      }
    }
  }
}
