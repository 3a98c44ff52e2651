import type { BalancingPolicy, SlowStart } from '@xebec/balancing';
import { XebecError } from '@xebec/core';
import { optionalDurationMs } from '@xebec/matching';
import {
  Cluster_LbPolicy,
  Cluster_RingHashLbConfig_HashFunction,
  type Cluster_SlowStartConfig,
  type Cluster as ClusterProto,
} from '@xebec/protos/envoy/config/cluster/v3/cluster';

/** How a cluster chooses among its hosts. */
export interface BalancingConfig {
  readonly policy: BalancingPolicy;
  /** Percent of hosts; below it all are used, healthy or not. 0 is never. */
  readonly panicPercent: number;
  readonly localityWeighted: boolean;
  /** Ring hash and maglev go by the endpoint's name instead of its address. */
  readonly hashesHostname: boolean;
}

/** Reads `lb_policy` and what belongs to it; throws XebecError `E_CONFIG` for policies that are not known. */
export function compileBalancing(proto: ClusterProto, where: string): BalancingConfig {
  const common = proto.commonLbConfig;
  return {
    policy: policyOf(proto, where),
    panicPercent: common?.healthyPanicThreshold?.value ?? 50,
    localityWeighted: common?.localityConfigSpecifier.case === 'localityWeightedLbConfig',
    hashesHostname: common?.consistentHashingLbConfig?.useHostnameForHashing ?? false,
  };
}

function policyOf(proto: ClusterProto, where: string): BalancingPolicy {
  const config = proto.lbConfig;
  switch (proto.lbPolicy) {
    case Cluster_LbPolicy.LEAST_REQUEST: {
      const least = config.case === 'leastRequestLbConfig' ? config.value : undefined;
      return { kind: 'least-request', choices: least?.choiceCount, slowStart: slowStartOf(least?.slowStartConfig) };
    }
    case Cluster_LbPolicy.RANDOM:
      return { kind: 'random' };
    case Cluster_LbPolicy.RING_HASH: {
      const ring = config.case === 'ringHashLbConfig' ? config.value : undefined;
      if (ring?.hashFunction === Cluster_RingHashLbConfig_HashFunction.MURMUR_HASH_2)
        throw new XebecError('E_CONFIG', `${where}: ring_hash_lb_config.hash_function MURMUR_HASH_2 is not supported; use XX_HASH`);
      return {
        kind: 'ring-hash',
        minimumRingSize: sizeOf(ring?.minimumRingSize),
        maximumRingSize: sizeOf(ring?.maximumRingSize),
      };
    }
    case Cluster_LbPolicy.MAGLEV:
      return { kind: 'maglev', tableSize: config.case === 'maglevLbConfig' ? sizeOf(config.value.tableSize) : undefined };
    default:
      return {
        kind: 'round-robin',
        slowStart: slowStartOf(config.case === 'roundRobinLbConfig' ? config.value.slowStartConfig : undefined),
      };
  }
}

function sizeOf(size: bigint | undefined): number | undefined {
  return size === undefined ? undefined : Number(size);
}

function slowStartOf(config: Cluster_SlowStartConfig | undefined): SlowStart | undefined {
  const windowMs = optionalDurationMs(config?.slowStartWindow);
  if (config === undefined || windowMs === undefined || windowMs === 0) return undefined;
  return { windowMs, aggression: config.aggression?.defaultValue, minWeightPercent: config.minWeightPercent?.value };
}
