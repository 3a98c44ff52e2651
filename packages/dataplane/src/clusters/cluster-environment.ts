import type { Clock, Logger, Random } from '@xebec/core';
import type { ExchangeParts } from '@xebec/filters';
import type { BindConfig } from '@xebec/protos/envoy/config/core/v3/address';
import type { StatsScope } from '@xebec/telemetry';
import type { SocketInspector } from '../net/original-destination.ts';
import type { SharedCounters } from '../runtime/shared-counter.ts';
import type { SecretStore } from '../tls/secret-store.ts';
import type { Subscribe } from '../xds-client/subscribe.ts';
import type { Cluster } from './cluster.ts';
import type { ResolveName } from './dns-resolver.ts';
import type { Host } from './host.ts';
import type { ActiveHealth } from './host-health.ts';
import type { OutlierReport } from './relayed-outliers.ts';

/** What clusters share. */
export interface ClusterEnvironment {
  /** For aggregates: the cluster of a name that requests see now. */
  readonly findCluster?: ((name: string) => Cluster | undefined) | undefined;
  readonly secrets: SecretStore;
  /** The cluster manager's `upstream_bind_config`, for clusters without their own. */
  readonly bindConfig?: BindConfig | undefined;
  readonly subscribe: Subscribe;
  readonly stats: StatsScope;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly resolve: ResolveName;
  readonly inspector: SocketInspector | undefined;
  /** Where this proxy is (`region/zone/subzone`) and the hosts of the cluster that it belongs to; for zone-aware balancing. */
  readonly own?: { readonly locality: string; readonly clusterName: string; hosts(): Iterable<Host> | undefined } | undefined;
  /** Health checks run elsewhere: `applyHealth` brings their results. */
  readonly checksElsewhere?: boolean;
  /** For those elsewhere: what checks found out so far. */
  readonly knownHealth?: ((cluster: string, host: string) => ActiveHealth | undefined) | undefined;
  /** Hears of each result of checks in this thread, by host text. */
  readonly publishHealth?: ((cluster: string, health: ReadonlyMap<string, ActiveHealth>) => void) | undefined;
  /** Hears of results of hosts where another thread detects outliers; `applyEjections` brings whom that ejects. */
  readonly reportOutliers?: ((cluster: string, report: OutlierReport) => void) | undefined;
  /** A host asked by `x-envoy-immediate-health-check-fail` to be left alone, where another thread checks. */
  readonly reportPassiveFailure?: ((cluster: string, host: string) => void) | undefined;
  readonly knownEjected?: ((cluster: string, host: string) => boolean) | undefined;
  /** Hears who is ejected whenever that changes, by host text. */
  readonly publishEjections?: ((cluster: string, hosts: readonly string[]) => void) | undefined;
  /** How this proxy introduces itself on TCP connections of clusters that want it. */
  readonly exchange?: () => ExchangeParts;
  /** Where several threads count together what a cluster's circuit breakers limit. */
  readonly counters?: SharedCounters | undefined;
}
