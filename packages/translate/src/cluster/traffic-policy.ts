import { isHttp2, type Protocol } from '@xebec/model';
import { Cluster_DiscoveryType, Cluster_LbPolicy, type ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { HttpProtocolOptionsSchema } from '@xebec/protos/envoy/extensions/upstreams/http/v3/http_protocol_options';
import type { ConnectionPool, LoadBalancer, OutlierDetection, TrafficPolicy } from '@xebec/schemas';
import { type Fields, pack } from '../envoy/any.ts';
import { duration, seconds } from '../envoy/duration.ts';

type ClusterInit = Fields<typeof ClusterSchema>;

export const HTTP_PROTOCOL_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

const MAX_UINT32 = 4294967295;

/** Istio's thresholds: no limit where Envoy's own would be 1024. */
export const UNLIMITED = {
  maxConnections: MAX_UINT32,
  maxPendingRequests: MAX_UINT32,
  maxRequests: MAX_UINT32,
  maxRetries: MAX_UINT32,
};

/** What a traffic policy (without its TLS part) makes of a cluster. */
export function applyTrafficPolicy(cluster: ClusterInit, policy: TrafficPolicy, protocol: Protocol): ClusterInit {
  return {
    ...cluster,
    ...connectionPoolFields(policy, protocol),
    ...loadBalancerFields(policy.loadBalancer, protocol),
    ...(policy.outlierDetection === undefined ? {} : outlierFields(policy.outlierDetection)),
    ...localityFields(cluster, policy),
  };
}

function localityFields(cluster: ClusterInit, policy: TrafficPolicy): ClusterInit {
  const discovery = cluster.clusterDiscoveryType;
  if (discovery?.case === 'type' && discovery.value === Cluster_DiscoveryType.ORIGINAL_DST) return {};
  const percent = Math.max(0, policy.outlierDetection?.minHealthPercent ?? 0);
  const setting = policy.loadBalancer?.localityLbSetting;
  const weighted = setting?.enabled !== false && (setting?.distribute?.length ?? 0) > 0;
  return {
    commonLbConfig: {
      // Panic routing is off unless asked for: a mesh that knows all endpoints to be bad says so.
      healthyPanicThreshold: { value: percent },
      ...(weighted ? { localityConfigSpecifier: { case: 'localityWeightedLbConfig' as const, value: {} } } : {}),
    },
  };
}

export function connectionPoolFields(policy: TrafficPolicy, protocol: Protocol): ClusterInit {
  const { tcp, http } = policy.connectionPool ?? {};
  const thresholds = {
    maxConnections: positive(tcp?.maxConnections),
    maxPendingRequests: positive(http?.http1MaxPendingRequests),
    maxRequests: positive(http?.http2MaxRequests),
    maxRetries: positive(http?.maxRetries),
    ...(policy.retryBudget === undefined
      ? {}
      : {
          retryBudget: {
            budgetPercent: { value: policy.retryBudget.percent ?? 20 },
            minRetryConcurrency: policy.retryBudget.minRetryConcurrency ?? 3,
          },
        }),
  };
  const options = httpProtocolOptions(policy.connectionPool, protocol);
  return {
    circuitBreakers: { thresholds: [thresholds] },
    ...(tcp?.connectTimeout === undefined ? {} : { connectTimeout: duration(tcp.connectTimeout) }),
    ...(tcp?.tcpKeepalive === undefined
      ? {}
      : {
          upstreamConnectionOptions: {
            tcpKeepalive: {
              ...(tcp.tcpKeepalive.probes === undefined ? {} : { keepaliveProbes: tcp.tcpKeepalive.probes }),
              ...(tcp.tcpKeepalive.time === undefined ? {} : { keepaliveTime: wholeSeconds(tcp.tcpKeepalive.time) }),
              ...(tcp.tcpKeepalive.interval === undefined ? {} : { keepaliveInterval: wholeSeconds(tcp.tcpKeepalive.interval) }),
            },
          },
        }),
    ...(options === undefined
      ? {}
      : { typedExtensionProtocolOptions: { [HTTP_PROTOCOL_OPTIONS]: pack(HttpProtocolOptionsSchema, options) } }),
  };
}

/** 0 and absent both mean "no limit of ours". */
function positive(value: number | undefined): number {
  return value === undefined || value <= 0 ? MAX_UINT32 : value;
}

function wholeSeconds(text: string): number {
  return Number(duration(text).seconds);
}

function httpProtocolOptions(pool: ConnectionPool | undefined, protocol: Protocol): Fields<typeof HttpProtocolOptionsSchema> | undefined {
  const { http, tcp } = pool ?? {};
  const idle = http?.idleTimeout ?? tcp?.idleTimeout;
  const common = {
    ...(idle === undefined ? {} : { idleTimeout: duration(idle) }),
    ...(tcp?.maxConnectionDuration === undefined ? {} : { maxConnectionDuration: duration(tcp.maxConnectionDuration) }),
    ...(http?.maxRequestsPerConnection === undefined || http.maxRequestsPerConnection <= 0
      ? {}
      : { maxRequestsPerConnection: http.maxRequestsPerConnection }),
  };
  const hasCommon = Object.keys(common).length > 0;
  const http2 = {
    ...(http?.maxConcurrentStreams === undefined || http.maxConcurrentStreams <= 0
      ? {}
      : { maxConcurrentStreams: http.maxConcurrentStreams }),
    ...(http?.http2KeepAlive === undefined
      ? {}
      : {
          connectionKeepalive: {
            interval: duration(http.http2KeepAlive.interval),
            timeout: duration(http.http2KeepAlive.timeout) ?? seconds(5),
          },
        }),
  };
  const upstream = upstreamProtocol(http, protocol, http2);
  if (!hasCommon && upstream === undefined) return undefined;
  return {
    ...(hasCommon ? { commonHttpProtocolOptions: common } : {}),
    upstreamProtocolOptions: upstream ?? {
      case: 'explicitHttpConfig',
      value: { protocolConfig: { case: 'httpProtocolOptions', value: {} } },
    },
  };
}

function upstreamProtocol(
  http: NonNullable<ConnectionPool['http']> | undefined,
  protocol: Protocol,
  http2: object,
): Fields<typeof HttpProtocolOptionsSchema>['upstreamProtocolOptions'] {
  if (http?.useClientProtocol === true || protocol === 'auto')
    return { case: 'useDownstreamProtocolConfig', value: { httpProtocolOptions: {}, http2ProtocolOptions: http2 } };
  if (isHttp2(protocol) || (protocol === 'http' && http?.h2UpgradePolicy === 'UPGRADE'))
    return { case: 'explicitHttpConfig', value: { protocolConfig: { case: 'http2ProtocolOptions', value: http2 } } };
  return undefined;
}

const SIMPLE_POLICIES: Readonly<Record<string, Cluster_LbPolicy>> = {
  ROUND_ROBIN: Cluster_LbPolicy.ROUND_ROBIN,
  RANDOM: Cluster_LbPolicy.RANDOM,
};

function loadBalancerFields(balancer: LoadBalancer | undefined, protocol: Protocol): ClusterInit {
  const hash = balancer?.consistentHash;
  if (hash !== undefined) {
    if (hash.maglev !== undefined)
      return {
        lbPolicy: Cluster_LbPolicy.MAGLEV,
        ...(hash.maglev.tableSize === undefined
          ? {}
          : { lbConfig: { case: 'maglevLbConfig', value: { tableSize: BigInt(hash.maglev.tableSize) } } }),
      };
    const minimum = hash.ringHash?.minimumRingSize ?? hash.minimumRingSize ?? 1024;
    return {
      lbPolicy: Cluster_LbPolicy.RING_HASH,
      lbConfig: { case: 'ringHashLbConfig', value: { minimumRingSize: BigInt(minimum === 0 ? 1024 : minimum) } },
    };
  }
  if (balancer?.simple === 'PASSTHROUGH')
    return {
      lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
      clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.ORIGINAL_DST },
    };
  if (protocol === 'redis' && balancer?.simple === undefined) return { lbPolicy: Cluster_LbPolicy.MAGLEV };
  const policy = SIMPLE_POLICIES[balancer?.simple ?? ''] ?? Cluster_LbPolicy.LEAST_REQUEST;
  return { lbPolicy: policy, ...slowStart(balancer, policy) };
}

function slowStart(balancer: LoadBalancer | undefined, policy: Cluster_LbPolicy): ClusterInit {
  const window = balancer?.warmup?.duration ?? balancer?.warmupDurationSecs;
  if (window === undefined || policy === Cluster_LbPolicy.RANDOM) return {};
  const slowStartConfig = {
    slowStartWindow: duration(window),
    aggression: { defaultValue: balancer?.warmup?.aggression ?? 1, runtimeKey: '' },
    minWeightPercent: { value: balancer?.warmup?.minimumPercent ?? 10 },
  };
  return policy === Cluster_LbPolicy.ROUND_ROBIN
    ? { lbConfig: { case: 'roundRobinLbConfig', value: { slowStartConfig } } }
    : { lbConfig: { case: 'leastRequestLbConfig', value: { slowStartConfig } } };
}

function outlierFields(outlier: OutlierDetection): ClusterInit {
  const consecutive5xx = outlier.consecutive5xxErrors;
  const gateway = outlier.consecutiveGatewayErrors;
  const local = outlier.consecutiveLocalOriginFailures;
  return {
    outlierDetection: {
      // Ejection by success rate is off: Istio's API has no field for it.
      enforcingSuccessRate: 0,
      ...(outlier.interval === undefined ? {} : { interval: duration(outlier.interval) }),
      ...(outlier.baseEjectionTime === undefined ? {} : { baseEjectionTime: duration(outlier.baseEjectionTime) }),
      ...(outlier.maxEjectionPercent === undefined || outlier.maxEjectionPercent <= 0
        ? {}
        : { maxEjectionPercent: outlier.maxEjectionPercent }),
      ...(consecutive5xx === undefined ? {} : { consecutive5xx, enforcingConsecutive5xx: consecutive5xx > 0 ? 100 : 0 }),
      ...(gateway === undefined ? {} : { consecutiveGatewayFailure: gateway, enforcingConsecutiveGatewayFailure: gateway > 0 ? 100 : 0 }),
      ...(outlier.splitExternalLocalOriginErrors === true
        ? {
            splitExternalLocalOriginErrors: true,
            ...(local === undefined || local === 0
              ? {}
              : { consecutiveLocalOriginFailure: local, enforcingConsecutiveLocalOriginFailure: 100 }),
          }
        : {}),
    },
  };
}
