import type { BalancingPolicy } from '@xebec/balancing';
import { XebecError } from '@xebec/core';
import { optionalDurationMs } from '@xebec/matching';
import {
  type Cluster_CommonLbConfig,
  Cluster_DiscoveryType,
  Cluster_LbPolicy,
  Cluster_RingHashLbConfig_HashFunction,
  type Cluster as ClusterProto,
} from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { type BalancingConfig, maglevPolicy, ringHashPolicy, slowStartOf, subsetsOf } from './balancing-config.ts';
import { compilePolicyExtensions } from './balancing-extensions.ts';

/** Reads `lb_policy` or `load_balancing_policy` and what belongs to it; throws XebecError `E_CONFIG` for what is not known. */
export function compileBalancing(proto: ClusterProto, where: string): BalancingConfig {
  const common = proto.commonLbConfig;
  const kind = proto.clusterDiscoveryType;
  const hashesHostname = common?.consistentHashingLbConfig?.useHostnameForHashing ?? false;
  if (hashesHostname && (kind.case === undefined || kind.value === Cluster_DiscoveryType.STATIC))
    throw new XebecError(
      'E_CONFIG',
      `${where}: Cannot use hostname for consistent hashing loadbalancing for cluster of type: 'envoy.cluster.static'`,
    );
  const base: BalancingConfig = {
    policy: { kind: 'round-robin' },
    panicPercent: common?.healthyPanicThreshold?.value ?? 50,
    failsOnPanic: zoneOf(common)?.failTrafficOnPanic ?? false,
    localityWeighted: common?.localityConfigSpecifier.case === 'localityWeightedLbConfig',
    zone: {
      enabledPercent: zoneOf(common)?.routingEnabled?.value ?? 100,
      minClusterSize: Number(zoneOf(common)?.minClusterSize ?? 6n),
    },
    subsets: proto.lbSubsetConfig === undefined ? undefined : subsetsOf(proto.lbSubsetConfig),
    hashesHostname,
    ignoresUnchecked: common?.ignoreNewHostsUntilFirstHc ?? false,
    mergeWindowMs: optionalDurationMs(common?.updateMergeWindow) ?? 1000,
    closesOnHostSetChange: common?.closeConnectionsOnHostSetChange ?? false,
    clusterProvided: proto.lbPolicy === Cluster_LbPolicy.CLUSTER_PROVIDED,
    notes: [],
  };
  if (proto.loadBalancingPolicy !== undefined)
    return { ...base, ...compilePolicyExtensions(proto.loadBalancingPolicy, `${where}: load_balancing_policy`) };
  return { ...base, policy: policyOf(proto, where) };
}

function zoneOf(common: Cluster_CommonLbConfig | undefined) {
  const specifier = common?.localityConfigSpecifier;
  return specifier?.case === 'zoneAwareLbConfig' ? specifier.value : undefined;
}

function policyOf(proto: ClusterProto, where: string): BalancingPolicy {
  const config = proto.lbConfig;
  const balanceFactor = proto.commonLbConfig?.consistentHashingLbConfig?.hashBalanceFactor;
  switch (proto.lbPolicy) {
    case Cluster_LbPolicy.LEAST_REQUEST: {
      const least = config.case === 'leastRequestLbConfig' ? config.value : undefined;
      return {
        kind: 'least-request',
        choices: least?.choiceCount,
        bias: least?.activeRequestBias?.defaultValue,
        slowStart: slowStartOf(least?.slowStartConfig),
      };
    }
    case Cluster_LbPolicy.RANDOM:
      return { kind: 'random' };
    case Cluster_LbPolicy.RING_HASH: {
      const ring = config.case === 'ringHashLbConfig' ? config.value : undefined;
      const murmur = ring?.hashFunction === Cluster_RingHashLbConfig_HashFunction.MURMUR_HASH_2;
      return ringHashPolicy(ring?.minimumRingSize, ring?.maximumRingSize, murmur, balanceFactor, where);
    }
    case Cluster_LbPolicy.MAGLEV:
      return maglevPolicy(config.case === 'maglevLbConfig' ? config.value.tableSize : undefined, balanceFactor, where);
    default:
      return {
        kind: 'round-robin',
        slowStart: slowStartOf(config.case === 'roundRobinLbConfig' ? config.value.slowStartConfig : undefined),
      };
  }
}
