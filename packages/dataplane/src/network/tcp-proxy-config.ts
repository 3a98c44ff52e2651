import { type MetadataCriteria, metadataCriteria, xxHash64 } from '@xebec/balancing';
import { type Clock, type Random, XebecError } from '@xebec/core';
import { compileHeaderMutation, type HeaderMutation, optionalDurationMs } from '@xebec/matching';
import type { Metadata } from '@xebec/protos/envoy/config/core/v3/base';
import type {
  TcpProxy as TcpProxyProto,
  TcpProxy_TunnelingConfig as TunnelingProto,
} from '@xebec/protos/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy';
import {
  type CompiledFormat,
  type ConnectionInfo,
  type Counter,
  compileFormat,
  type FormatEnvironment,
  type Gauge,
  type StatsScope,
  type StreamInfo,
} from '@xebec/telemetry';
import type { ClusterManager } from '../clusters/cluster-manager.ts';
import type { AccessLogWriter } from '../runtime/access-log-writer.ts';
import type { TapHub } from '../tap/tap-hub.ts';

export interface WeightedTarget {
  readonly name: string;
  readonly upTo: number;
  /** What is asked of hosts in a cluster with subsets. */
  readonly criteria: MetadataCriteria | undefined;
}

/** HTTP CONNECT (or POST) in which the connection's bytes travel. */
export interface Tunneling {
  readonly hostname: CompiledFormat;
  readonly method: 'CONNECT' | 'POST';
  readonly path: string;
  readonly headers: HeaderMutation | undefined;
  readonly propagatesResponseHeaders: boolean;
  readonly propagatesResponseTrailers: boolean;
}

export interface TcpProxySettings {
  readonly clusters: ClusterManager;
  readonly clock: Clock;
  readonly random: Random;
  readonly accessLogs: readonly AccessLogWriter[];
  readonly tap: TapHub;
  /** 0 is no limit. */
  readonly idleTimeoutMs: number;
  /** 0 is no limit. */
  readonly maxDurationMs: number;
  readonly maxAttempts: number;
  /** Back-off between attempts; 0 tries again at once. */
  readonly retryBaseMs: number;
  readonly retryMaxMs: number;
  /** What ring hash and maglev clusters choose by. */
  readonly hash: ((connection: ConnectionInfo, info: StreamInfo) => bigint | undefined) | undefined;
  readonly weighted: readonly WeightedTarget[];
  /** Logs once more when the upstream is connected. */
  readonly logsConnected: boolean;
  /** 0 is never. */
  readonly logIntervalMs: number;
  readonly tunneling: Tunneling | undefined;
  readonly stats: TcpStats;
}

export interface TcpStats {
  readonly total: Counter;
  readonly noRoute: Counter;
  readonly rxBytes: Counter;
  readonly txBytes: Counter;
  readonly idleTimeout: Counter;
  readonly maxDuration: Counter;
  readonly paused: Counter;
  readonly resumed: Counter;
  readonly flushTotal: Counter;
  readonly flushActive: Gauge;
}

const hour = 3_600_000;

export type TcpProxyParts = Pick<TcpProxySettings, 'clusters' | 'clock' | 'random' | 'accessLogs' | 'tap'>;

/** Compiles `envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`; throws XebecError `E_CONFIG` naming the field. */
export function compileTcpProxySettings(
  proto: TcpProxyProto,
  parts: TcpProxyParts,
  rootStats: StatsScope,
  environment: FormatEnvironment | undefined,
  where: string,
): TcpProxySettings {
  if (proto.onDemand !== undefined)
    throw new XebecError('E_CONFIG', `${where}: on_demand is not supported; configure the cluster by CDS or in static_resources`);
  const specifier = proto.clusterSpecifier;
  if (specifier.case === undefined) throw new XebecError('E_CONFIG', `${where}: set cluster or weighted_clusters`);
  let total = 0;
  const weighted =
    specifier.case === 'weightedClusters'
      ? specifier.value.clusters.map((cluster) => {
          total += cluster.weight;
          return { name: cluster.name, upTo: total, criteria: criteriaOf(proto.metadataMatch, cluster.metadataMatch) };
        })
      : [{ name: specifier.value, upTo: 1, criteria: criteriaOf(proto.metadataMatch, undefined) }];
  if (weighted.length === 0) throw new XebecError('E_CONFIG', `${where}: weighted_clusters.clusters is empty; name at least one cluster`);
  const options = proto.accessLogOptions;
  const backoff = proto.backoffOptions;
  const retryBaseMs = optionalDurationMs(backoff?.baseInterval) ?? 0;
  return {
    ...parts,
    idleTimeoutMs: optionalDurationMs(proto.idleTimeout) ?? hour,
    maxDurationMs: optionalDurationMs(proto.maxDownstreamConnectionDuration) ?? 0,
    maxAttempts: proto.maxConnectAttempts ?? 1,
    retryBaseMs,
    retryMaxMs: optionalDurationMs(backoff?.maxInterval) ?? retryBaseMs * 10,
    hash: compileHash(proto),
    weighted,
    logsConnected: options?.flushAccessLogOnConnected ?? proto.flushAccessLogOnConnected,
    logIntervalMs: optionalDurationMs(options?.accessLogFlushInterval ?? proto.accessLogFlushInterval) ?? 0,
    tunneling: proto.tunnelingConfig === undefined ? undefined : compileTunneling(proto.tunnelingConfig, environment),
    stats: tcpStats(rootStats.scope(`tcp.${proto.statPrefix}`), proto.tunnelingConfig !== undefined),
  };
}

/** A weighted cluster's own criteria go over those of the proxy, name by name. */
function criteriaOf(common: Metadata | undefined, own: Metadata | undefined): MetadataCriteria | undefined {
  const merged = { ...common?.filterMetadata['envoy.lb'], ...own?.filterMetadata['envoy.lb'] };
  return Object.keys(merged).length === 0 ? undefined : metadataCriteria(merged);
}

function compileHash(proto: TcpProxyProto): TcpProxySettings['hash'] {
  const policy = proto.hashPolicy[0]?.policySpecifier;
  switch (policy?.case) {
    case 'sourceIp':
      return (connection) => (connection.remoteAddress === '' ? undefined : xxHash64(connection.remoteAddress));
    case 'filterState': {
      const { key } = policy.value;
      return (_, info) => {
        const value = info.filterState.get(key);
        return value === undefined ? undefined : xxHash64(String(value));
      };
    }
    default:
      return undefined;
  }
}

function compileTunneling(proto: TunnelingProto, environment: FormatEnvironment | undefined): Tunneling {
  const options = { omitEmpty: true, ...(environment === undefined ? {} : { environment }) };
  return {
    hostname: compileFormat(proto.hostname, options),
    method: proto.usePost ? 'POST' : 'CONNECT',
    path: proto.postPath === '' ? '/' : proto.postPath,
    headers: compileHeaderMutation({ add: proto.headersToAdd, remove: [] }, environment),
    propagatesResponseHeaders: proto.propagateResponseHeaders,
    propagatesResponseTrailers: proto.propagateResponseTrailers,
  };
}

/** Envoy's tunnels have a router of their own, whose counters it shows and leaves at zero. */
const tunnelCounters = [
  'no_cluster',
  'no_route',
  'passthrough_internal_redirect_bad_location',
  'passthrough_internal_redirect_no_route',
  'passthrough_internal_redirect_predicate',
  'passthrough_internal_redirect_too_many_redirects',
  'passthrough_internal_redirect_unsafe_scheme',
  'rq_direct_response',
  'rq_overload_local_reply',
  'rq_redirect',
  'rq_reset_after_downstream_response_started',
  'rq_total',
];

function tcpStats(scope: StatsScope, tunnels: boolean): TcpStats {
  if (tunnels) for (const name of tunnelCounters) scope.counter(`tcpproxy_tunneling.${name}`);
  for (const name of ['downstream_cx_drain_close', 'early_data_received_count_total']) scope.counter(name);
  return {
    total: scope.counter('downstream_cx_total'),
    noRoute: scope.counter('downstream_cx_no_route'),
    rxBytes: scope.counter('downstream_cx_rx_bytes_total'),
    txBytes: scope.counter('downstream_cx_tx_bytes_total'),
    idleTimeout: scope.counter('idle_timeout'),
    maxDuration: scope.counter('max_downstream_connection_duration'),
    paused: scope.counter('downstream_flow_control_paused_reading_total'),
    resumed: scope.counter('downstream_flow_control_resumed_reading_total'),
    flushTotal: scope.counter('upstream_flush_total'),
    flushActive: scope.gauge('upstream_flush_active'),
  };
}
