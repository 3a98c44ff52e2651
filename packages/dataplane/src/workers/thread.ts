import type { ProcessState } from '@xebec/filters';
import type { ConfigSource } from '@xebec/protos/envoy/config/core/v3/config_source';
import { createStats, type Stats } from '@xebec/telemetry';
import type { ActiveHealth } from '../clusters/host-health.ts';
import type { OutlierReport } from '../clusters/relayed-outliers.ts';
import type { DrainRequest } from '../listeners/listener-manager.ts';
import { type ListenerSockets, LocalSockets } from '../listeners/listener-sockets.ts';
import type { SocketOpener } from '../listeners/listening-socket.ts';
import { localCounters, type SharedCounters } from '../runtime/shared-counter.ts';
import type { ActiveTap, TapReport } from '../tap/tap-hub.ts';
import type { CollectionWatcher, Subscribe } from '../xds-client/subscribe.ts';

/** Where configuration comes from: xDS and files, or in a worker what the main thread has accepted. */
export interface ConfigSources {
  readonly subscribe: Subscribe;
  collect(source: ConfigSource, typeUrl: string, watcher: CollectionWatcher, statPrefix: string): void;
  close(): void;
}

/** Something that the admin API or a signal asks of every thread that carries traffic. */
export type ThreadCommand =
  | { readonly kind: 'drain'; readonly request: DrainRequest }
  | { readonly kind: 'stop-listening'; readonly inboundOnly: boolean }
  | { readonly kind: 'unhealthy'; readonly unhealthy: boolean }
  | { readonly kind: 'reset-counters' }
  | { readonly kind: 'reopen-logs' }
  /** All changes of the runtime's admin layer so far. */
  | { readonly kind: 'runtime'; readonly changes: readonly (readonly [string, string])[] }
  | { readonly kind: 'log-level'; readonly level: string }
  | { readonly kind: 'health'; readonly cluster: string; readonly hosts: ReadonlyMap<string, ActiveHealth> }
  /** Whom outlier detection has taken out. */
  | { readonly kind: 'ejections'; readonly cluster: string; readonly hosts: readonly string[] }
  /** All who look at the traffic. */
  | { readonly kind: 'taps'; readonly taps: readonly ActiveTap[] };

/** Something that a worker has seen and the main thread decides about. */
export type WorkerReport =
  | { readonly kind: 'outliers'; readonly cluster: string; readonly report: OutlierReport }
  | { readonly kind: 'passive-failure'; readonly cluster: string; readonly host: string }
  | { readonly kind: 'tap'; readonly report: TapReport };

/** What one thread counted of one host, for `/clusters`. */
export interface HostNumbers {
  readonly activeRequests: number;
  readonly activeConnections: number;
  readonly totalConnections: number;
  readonly totalRequests: number;
  readonly successes: number;
  readonly errors: number;
  readonly timeouts: number;
  readonly connectFailures: number;
}

/** By cluster, then by the host's address. */
export type HostReport = Readonly<Record<string, Readonly<Record<string, HostNumbers>>>>;

/** How a data plane is part of its process: alone, as the main thread of workers, or as a worker. */
export interface DataplaneThread {
  readonly role: 'single' | 'main' | 'worker';
  /** Among the threads that accept, and how many those are. */
  readonly index: number;
  readonly count: number;
  readonly stats: Stats;
  readonly sockets: ListenerSockets;
  readonly counters: SharedCounters;
  /** What filters count together; undefined with one thread. */
  readonly process: ProcessState | undefined;
  sources(own: () => ConfigSources): ConfigSources;
  /** Worker: what obeys commands is there, and nothing is served yet. */
  onState(obey: (command: ThreadCommand) => void): void;
  /** Main: starts the workers; their listeners come up while this thread's own do. */
  start(inForce: InForce, onReport: (report: WorkerReport) => void): void;
  /** Worker: tells the main thread. */
  report(report: WorkerReport): void;
  /** Main: makes all workers do it too. */
  command(command: ThreadCommand): void;
  /** Main: what workers counted of hosts, one report each. */
  hostReports(): Promise<readonly HostReport[]>;
  /** Main: ends one worker as a crash would. */
  terminate?(index: number): Promise<void>;
  close(): Promise<void>;
}

/** What the main thread has accepted, of the collections that workers follow. */
export type InForce = (statPrefix: string) => Iterable<{ readonly name: string; readonly bytes: Uint8Array; readonly version: string }>;

/** The data path and everything else in one thread. */
export function singleThread(open?: SocketOpener): DataplaneThread {
  return {
    role: 'single',
    index: 0,
    count: 1,
    stats: createStats(),
    sockets: new LocalSockets(open),
    counters: localCounters(),
    process: undefined,
    sources: (own) => own(),
    onState: () => undefined,
    start: () => undefined,
    report: () => undefined,
    command: () => undefined,
    hostReports: async () => [],
    close: async () => undefined,
  };
}
