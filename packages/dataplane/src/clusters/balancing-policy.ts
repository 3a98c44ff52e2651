import type { BalancingPolicy, SlowStart, SubsetFallback, SubsetOptions, SubsetSelector } from '@xebec/balancing';
import { XebecError } from '@xebec/core';
import { optionalDurationMs } from '@xebec/matching';
import {
  type Cluster_CommonLbConfig,
  Cluster_DiscoveryType,
  Cluster_LbPolicy,
  type Cluster_LbSubsetConfig,
  Cluster_RingHashLbConfig_HashFunction,
  type Cluster_SlowStartConfig,
  type Cluster as ClusterProto,
} from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { compilePolicyExtensions } from './balancing-extensions.ts';

/** How a cluster chooses among its hosts. */
export interface BalancingConfig {
  readonly policy: BalancingPolicy;
  /** Percent of hosts; below it all are used, healthy or not. 0 is never. */
  readonly panicPercent: number;
  readonly failsOnPanic: boolean;
  readonly localityWeighted: boolean;
  /** Prefers the own zone, where the bootstrap names the cluster that this proxy belongs to. */
  readonly zone: { readonly enabledPercent: number; readonly minClusterSize: number } | undefined;
  readonly subsets: (SubsetOptions & { readonly localityWeightAware: boolean; readonly scaleLocalityWeight: boolean }) | undefined;
  /** Ring hash and maglev go by the endpoint's name instead of its address. */
  readonly hashesHostname: boolean;
  /** New hosts are left out of the count of hosts until they have been checked. */
  readonly ignoresUnchecked: boolean;
  readonly closesOnHostSetChange: boolean;
  /** Changes of health within this time of each other reach requests together. */
  readonly mergeWindowMs: number;
  /** The cluster brings its own hosts per request (ORIGINAL_DST). */
  readonly clusterProvided: boolean;
  /** What is done in another way than configured; to be logged. */
  readonly notes: readonly string[];
}

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

/** Throws XebecError `E_CONFIG` when the sizes contradict each other. */
export function ringHashPolicy(
  minimum: bigint | undefined,
  maximum: bigint | undefined,
  murmur: boolean,
  balanceFactor: number | undefined,
  where: string,
): BalancingPolicy {
  const minimumRingSize = minimum === undefined ? 1024 : Number(minimum);
  const maximumRingSize = maximum === undefined ? 8 * 1024 * 1024 : Number(maximum);
  if (minimumRingSize > maximumRingSize)
    throw new XebecError(
      'E_CONFIG',
      `${where}: ring hash: minimum_ring_size (${minimumRingSize}) > maximum_ring_size (${maximumRingSize})`,
    );
  return { kind: 'ring-hash', minimumRingSize, maximumRingSize, hashFunction: murmur ? 'murmur2' : 'xx', balanceFactor };
}

/** Throws XebecError `E_CONFIG` when the table's size is no prime. */
export function maglevPolicy(size: bigint | undefined, balanceFactor: number | undefined, where: string): BalancingPolicy {
  const tableSize = size === undefined ? 65_537 : Number(size);
  if (!isPrime(tableSize)) throw new XebecError('E_CONFIG', `${where}: The table size of maglev must be prime number, not ${tableSize}`);
  return { kind: 'maglev', tableSize, balanceFactor };
}

function isPrime(value: number): boolean {
  if (value < 2) return false;
  for (let divisor = 2; divisor * divisor <= value; divisor++) if (value % divisor === 0) return false;
  return true;
}

/** Of either API: the messages have the same fields. */
export function slowStartOf(config: Pick<Cluster_SlowStartConfig, 'slowStartWindow' | 'aggression' | 'minWeightPercent'> | undefined) {
  const windowMs = optionalDurationMs(config?.slowStartWindow);
  if (config === undefined || windowMs === undefined || windowMs === 0) return undefined;
  const slowStart: SlowStart = {
    windowMs,
    aggression: config.aggression?.defaultValue,
    minWeightPercent: config.minWeightPercent?.value,
  };
  return slowStart;
}

const fallbacks: readonly SubsetFallback[] = ['none', 'any', 'default'];
const selectorFallbacks: readonly SubsetSelector['fallback'][] = [undefined, 'none', 'any', 'default', 'keys'];

interface SubsetProto
  extends Pick<Cluster_LbSubsetConfig, 'defaultSubset' | 'localityWeightAware' | 'scaleLocalityWeight' | 'panicModeAny' | 'listAsAny'> {
  readonly fallbackPolicy: number;
  readonly metadataFallbackPolicy: number;
  readonly subsetSelectors: readonly {
    readonly keys: string[];
    readonly singleHostPerSubset: boolean;
    readonly fallbackPolicy: number;
    readonly fallbackKeysSubset: string[];
  }[];
}

/** Of either API: the messages have the same fields and numbers. */
export function subsetsOf(config: SubsetProto): NonNullable<BalancingConfig['subsets']> {
  return {
    selectors: config.subsetSelectors.map((selector) => ({
      keys: selector.keys,
      singleHost: selector.singleHostPerSubset,
      fallback: selectorFallbacks[selector.fallbackPolicy],
      fallbackKeys: selector.fallbackKeysSubset,
    })),
    fallback: fallbacks[config.fallbackPolicy] ?? 'none',
    defaultSubset: config.defaultSubset ?? {},
    panicModeAny: config.panicModeAny,
    listAsAny: config.listAsAny,
    fallbackList: config.metadataFallbackPolicy === 1,
    localityWeightAware: config.localityWeightAware,
    scaleLocalityWeight: config.scaleLocalityWeight,
  };
}
