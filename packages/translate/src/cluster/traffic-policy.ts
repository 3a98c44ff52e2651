import type { Protocol } from '@xebec/model';
import { Cluster_DiscoveryType, Cluster_LbPolicy, type ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import type { ConnectionPool, LoadBalancer, MeshConfig, OutlierDetection, TrafficPolicy } from '@xebec/schemas';
import type { Fields } from '../envoy/any.ts';
import { duration } from '../envoy/duration.ts';
import { type ProtocolOptionsView, protocolOptions } from './protocol-options.ts';

type ClusterInit = Fields<typeof ClusterSchema>;

export { HTTP_PROTOCOL_OPTIONS } from './protocol-options.ts';

const MAX_UINT32 = 4294967295;

/** Istio's thresholds: no limit where Envoy's own would be 1024. */
export const UNLIMITED = {
  maxConnections: MAX_UINT32,
  maxPendingRequests: MAX_UINT32,
  maxRequests: MAX_UINT32,
  maxRetries: MAX_UINT32,
};

type Keepalive = MeshConfig['tcpKeepalive'];

export interface TrafficPolicyView extends ProtocolOptionsView {
  readonly meshKeepalive: Keepalive;
  /** Locality settings that hold for the service, its own or the mesh's. */
  readonly locality: LoadBalancer['localityLbSetting'];
  /** Whether traffic goes on to farther endpoints at all. */
  readonly failover: boolean;
  /** Whether endpoints that are not ready are announced too: panic routing would call them. */
  readonly knowsUnready: boolean;
}

/** What a traffic policy (without its transport sockets) makes of a cluster. */
export function applyTrafficPolicy(cluster: ClusterInit, policy: TrafficPolicy, view: TrafficPolicyView): ClusterInit {
  const { typedExtensionProtocolOptions: _, ...pool } = connectionPoolFields(policy, view.protocol, view.meshKeepalive);
  return {
    ...cluster,
    ...pool,
    ...protocolOptions(policy.connectionPool, policy.tls, {
      ...view,
      ...(policy.outlierDetection?.outlierDetectionHttpErrorCodes === undefined
        ? {}
        : { errorCodes: policy.outlierDetection.outlierDetectionHttpErrorCodes }),
    }),
    ...loadBalancerFields(cluster, policy.loadBalancer),
    ...(policy.outlierDetection === undefined ? {} : outlierFields(policy.outlierDetection)),
    commonLbConfig: commonBalancing(policy, view),
  };
}

function commonBalancing(
  policy: TrafficPolicy,
  { locality, failover: goesOn, knowsUnready }: TrafficPolicyView,
): NonNullable<ClusterInit['commonLbConfig']> {
  const zones = policy.loadBalancer?.zoneAwareLbSetting;
  const on = locality?.enabled !== false;
  const failover = on && goesOn && (locality?.failover !== undefined || locality?.failoverPriority !== undefined);
  return {
    // Panic routing is off unless asked for: a mesh that knows all endpoints to be bad says so.
    healthyPanicThreshold: { value: knowsUnready ? 0 : Math.max(0, policy.outlierDetection?.minHealthPercent ?? 0) },
    ...(zones !== undefined
      ? {
          localityConfigSpecifier: {
            case: 'zoneAwareLbConfig' as const,
            value: {
              ...(zones.enabled === false ? { routingEnabled: { value: 0 } } : {}),
              ...(zones.minClusterSize === undefined ? {} : { minClusterSize: BigInt(zones.minClusterSize) }),
            },
          },
        }
      : failover || (on && locality?.distribute !== undefined)
        ? { localityConfigSpecifier: { case: 'localityWeightedLbConfig' as const, value: {} } }
        : {}),
  };
}

/** Limits and keepalive of a connection pool; protocol options as an inbound cluster has them. */
export function connectionPoolFields(policy: TrafficPolicy, protocol: Protocol, meshKeepalive?: Keepalive): ClusterInit {
  const { tcp, http } = policy.connectionPool ?? {};
  const budget = policy.retryBudget;
  const interval = duration(budget?.budgetInterval);
  const concurrency = budget?.minRetryConcurrency ?? 0;
  const thresholds = {
    maxConnections: positive(tcp?.maxConnections),
    maxPendingRequests: positive(http?.http1MaxPendingRequests),
    maxRequests: positive(http?.http2MaxRequests),
    maxRetries: positive(http?.maxRetries),
    ...(budget === undefined
      ? {}
      : {
          retryBudget: {
            budgetPercent: { value: budget.percent ?? 20 },
            minRetryConcurrency: concurrency > 0 ? concurrency : 3,
            ...(interval === undefined ? {} : { budgetInterval: interval }),
          },
        }),
  };
  return {
    circuitBreakers: { thresholds: [thresholds] },
    ...(tcp?.connectTimeout === undefined ? {} : { connectTimeout: duration(tcp.connectTimeout) }),
    ...keepaliveFields(meshKeepalive, tcp?.tcpKeepalive),
    ...protocolOptions(policy.connectionPool, undefined, { protocol, sniffs: true, upgrade: false, preserveCase: false }),
  };
}

/** The mesh's keepalive, field by field under the rule's own. */
function keepaliveFields(mesh: Keepalive, own: NonNullable<ConnectionPool['tcp']>['tcpKeepalive']): ClusterInit {
  if (mesh === undefined && own === undefined) return {};
  const probes = positiveOf(own?.probes) ?? positiveOf(mesh?.probes);
  const time = own?.time ?? mesh?.time;
  const interval = own?.interval ?? mesh?.interval;
  return {
    upstreamConnectionOptions: {
      tcpKeepalive: {
        ...(probes === undefined ? {} : { keepaliveProbes: probes }),
        ...(time === undefined ? {} : { keepaliveTime: wholeSeconds(time) }),
        ...(interval === undefined ? {} : { keepaliveInterval: wholeSeconds(interval) }),
      },
    },
  };
}

function positiveOf(value: number | undefined): number | undefined {
  return value === undefined || value <= 0 ? undefined : value;
}

/** 0 and absent both mean "no limit of ours". */
function positive(value: number | undefined): number {
  return positiveOf(value) ?? MAX_UINT32;
}

function wholeSeconds(text: string): number {
  return Number(duration(text).seconds);
}

const SIMPLE_POLICIES: Readonly<Record<string, Cluster_LbPolicy>> = {
  ROUND_ROBIN: Cluster_LbPolicy.ROUND_ROBIN,
  RANDOM: Cluster_LbPolicy.RANDOM,
};

function loadBalancerFields(cluster: ClusterInit, balancer: LoadBalancer | undefined): ClusterInit {
  const original =
    cluster.clusterDiscoveryType?.case === 'type' && cluster.clusterDiscoveryType.value === Cluster_DiscoveryType.ORIGINAL_DST;
  if (original || balancer?.simple === 'PASSTHROUGH')
    return {
      lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
      clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.ORIGINAL_DST },
    };
  const hash = balancer?.consistentHash;
  if (hash !== undefined) return hashFields(hash);
  const policy = SIMPLE_POLICIES[balancer?.simple ?? ''] ?? Cluster_LbPolicy.LEAST_REQUEST;
  return { lbPolicy: policy, ...slowStart(balancer, policy) };
}

function hashFields(hash: NonNullable<LoadBalancer['consistentHash']>): ClusterInit {
  if (hash.maglev !== undefined) {
    const size = hash.maglev.tableSize ?? 0;
    return {
      lbPolicy: Cluster_LbPolicy.MAGLEV,
      ...(size === 0 ? {} : { lbConfig: { case: 'maglevLbConfig', value: { tableSize: BigInt(size) } } }),
    };
  }
  const minimum = hash.ringHash === undefined ? hash.minimumRingSize || 1024 : (hash.ringHash.minimumRingSize ?? 0);
  return {
    lbPolicy: Cluster_LbPolicy.RING_HASH,
    ...(minimum === 0 ? {} : { lbConfig: { case: 'ringHashLbConfig', value: { minimumRingSize: BigInt(minimum) } } }),
  };
}

function slowStart(balancer: LoadBalancer | undefined, policy: Cluster_LbPolicy): ClusterInit {
  const { warmup, warmupDurationSecs } = balancer ?? {};
  const window = duration(warmup === undefined ? warmupDurationSecs : warmup.duration);
  if ((warmup === undefined && window === undefined) || policy === Cluster_LbPolicy.RANDOM) return {};
  const slowStartConfig = {
    ...(window === undefined ? {} : { slowStartWindow: window }),
    ...(warmup === undefined
      ? {}
      : {
          aggression: { defaultValue: warmup.aggression ?? 1, runtimeKey: '(' },
          minWeightPercent: { value: warmup.minimumPercent ?? 10 },
        }),
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
            enforcingLocalOriginSuccessRate: 0,
            ...(local === undefined || local === 0
              ? {}
              : { consecutiveLocalOriginFailure: local, enforcingConsecutiveLocalOriginFailure: 100 }),
          }
        : {}),
    },
  };
}
