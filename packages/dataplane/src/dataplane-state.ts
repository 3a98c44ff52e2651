import type { Clock, Logger } from '@xebec/core';
import type { Bootstrap } from '@xebec/protos/envoy/config/bootstrap/v3/bootstrap';
import type { Node } from '@xebec/protos/envoy/config/core/v3/base';
import type { Stats } from '@xebec/telemetry';
import type { ClusterManager } from './clusters/cluster-manager.ts';
import type { DrainRequest, ListenerManager } from './listeners/listener-manager.ts';
import type { RouteStore } from './network/route-store.ts';
import type { RuntimeValues } from './runtime/runtime-values.ts';
import type { TapViewers } from './tap/tap-viewers.ts';
import type { SecretStore } from './tls/secret-store.ts';
import type { ThreadCommand } from './workers/thread.ts';
import type { ExtensionStore } from './xds-client/extension-store.ts';

/** What the admin API and the app see of a running data plane. */
export interface DataplaneState {
  readonly bootstrap: Bootstrap;
  readonly node: Node;
  readonly version: string;
  readonly startedAtMs: number;
  readonly clock: Clock;
  readonly stats: Stats;
  readonly clusters: ClusterManager;
  readonly listeners: ListenerManager;
  readonly routes: RouteStore;
  readonly secrets: SecretStore;
  readonly extensions: ExtensionStore;
  readonly logger: Logger;
  readonly commandLine: Readonly<Record<string, string | number | boolean>>;
  /** Threads that carry traffic. */
  readonly concurrency: number;
  lifecycle: 'PRE_INITIALIZING' | 'INITIALIZING' | 'LIVE';
  /** False after `/healthcheck/fail`: connections end with their next responses. */
  healthy: boolean;
  /** Downstream connections of all threads. */
  readonly activeConnections: number;
  drain(request: DrainRequest): void;
  resetCounters(): void;
  /** The logger's level was set. */
  logLevelChanged(): void;
  reopenLogs(): void;
  readonly runtime: RuntimeValues;
  /** Changes the admin layer, in all threads; false when there is none. */
  modifyRuntime(changes: readonly (readonly [string, string])[]): boolean;
  /** Does what the main thread asks of a worker. */
  obey(command: ThreadCommand): void;
  /** Brings the numbers of hosts up to date with what workers counted; at once without workers. */
  refreshHosts(): Promise<void>;
  /** Who looks at the traffic. */
  readonly taps: TapViewers;
  quit(): void;
}
