import type { BalancingPolicy, SlowStart, SubsetFallback, SubsetOptions, SubsetSelector } from '@xebec/balancing';
import { XebecError } from '@xebec/core';
import { optionalDurationMs } from '@xebec/matching';
import type { Cluster_LbSubsetConfig, Cluster_SlowStartConfig } from '@xebec/protos/envoy/config/cluster/v3/cluster';

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
