import type { StatsReport } from '@xebec/telemetry';
import type { ResolveName } from '../clusters/dns-resolver.ts';
import type { ListenTarget } from '../listeners/listening-socket.ts';
import type { DrainOptions } from '../runtime/drain-sequence.ts';
import type { CounterTable } from './counter-table.ts';
import type { HostReport, ThreadCommand, WorkerReport } from './thread.ts';

/** What a worker starts with. All of it is plain data. */
export interface WorkerStart {
  readonly index: number;
  readonly count: number;
  /** envoy.config.bootstrap.v3.Bootstrap, without its admin server. */
  readonly bootstrap: Uint8Array;
  readonly version: string;
  readonly serviceNode: string | undefined;
  readonly serviceCluster: string | undefined;
  readonly drain: Partial<DrainOptions> | undefined;
  readonly fileFlushIntervalMs: number | undefined;
  readonly fileFlushMinBytes: number | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly counters: CounterTable;
  /** Token buckets of all workers. */
  readonly buckets: SharedArrayBuffer;
  readonly logLevel: string;
  /** Commands that still hold. */
  readonly standing: readonly ThreadCommand[];
  /** Where compiled code is kept, when it is. */
  readonly compileCache: string | undefined;
}

/** A resource as bytes: an Any. */
export interface ResourceBytes {
  readonly name: string;
  readonly typeUrl: string;
  readonly value: Uint8Array;
  readonly version: string;
}

export type ToWorker =
  | {
      readonly kind: 'collection';
      readonly statPrefix: string;
      readonly changed: readonly ResourceBytes[];
      readonly removed: readonly string[];
    }
  | { readonly kind: 'resource'; readonly key: string; readonly resource: ResourceBytes }
  | { readonly kind: 'resource-removed'; readonly key: string }
  /** Nobody follows it any more: what was kept of it may go. */
  | { readonly kind: 'resource-released'; readonly key: string }
  | { readonly kind: 'resource-timeout'; readonly key: string }
  | { readonly kind: 'socket'; readonly key: string; readonly target: ListenTarget | undefined }
  | {
      readonly kind: 'resolved';
      readonly id: number;
      readonly addresses: Awaited<ReturnType<ResolveName>> | undefined;
      readonly error: string;
    }
  | { readonly kind: 'counters'; readonly table: CounterTable }
  | { readonly kind: 'command'; readonly command: ThreadCommand }
  | { readonly kind: 'report-hosts'; readonly id: number };

export type FromWorker =
  | { readonly kind: 'collect'; readonly statPrefix: string }
  | { readonly kind: 'subscribe'; readonly key: string; readonly source: Uint8Array; readonly typeUrl: string; readonly name: string }
  | { readonly kind: 'unsubscribe'; readonly key: string }
  | { readonly kind: 'socket-wanted'; readonly key: string }
  /** Accepts connections there, or cannot. */
  | { readonly kind: 'listening'; readonly key: string; readonly error: string | undefined }
  | { readonly kind: 'resolve'; readonly id: number; readonly arguments: Parameters<ResolveName> }
  | { readonly kind: 'stats'; readonly report: StatsReport }
  | { readonly kind: 'hosts'; readonly id: number; readonly report: HostReport }
  | { readonly kind: 'report'; readonly report: WorkerReport }
  | { readonly kind: 'log'; readonly level: LogLevel; readonly fields: object; readonly message: string | undefined };

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';
