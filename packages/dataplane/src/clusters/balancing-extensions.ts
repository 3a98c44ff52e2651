import type { Any } from '@bufbuild/protobuf/wkt';
import { XebecError } from '@xebec/core';
import type { LoadBalancingPolicy } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { ClientSideWeightedRoundRobinSchema } from '@xebec/protos/envoy/extensions/load_balancing_policies/client_side_weighted_round_robin/v3/client_side_weighted_round_robin';
import { ClusterProvidedSchema } from '@xebec/protos/envoy/extensions/load_balancing_policies/cluster_provided/v3/cluster_provided';
import type { ConsistentHashingLbConfig, LocalityLbConfig } from '@xebec/protos/envoy/extensions/load_balancing_policies/common/v3/common';
import {
  LeastRequest_SelectionMethod,
  LeastRequestSchema,
} from '@xebec/protos/envoy/extensions/load_balancing_policies/least_request/v3/least_request';
import { MaglevSchema } from '@xebec/protos/envoy/extensions/load_balancing_policies/maglev/v3/maglev';
import { RandomSchema } from '@xebec/protos/envoy/extensions/load_balancing_policies/random/v3/random';
import { RingHash_HashFunction, RingHashSchema } from '@xebec/protos/envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash';
import { RoundRobinSchema } from '@xebec/protos/envoy/extensions/load_balancing_policies/round_robin/v3/round_robin';
import { SubsetSchema } from '@xebec/protos/envoy/extensions/load_balancing_policies/subset/v3/subset';
import { WrrLocalitySchema } from '@xebec/protos/envoy/extensions/load_balancing_policies/wrr_locality/v3/wrr_locality';
import { typeNameOf, unpack } from '../config/unpack.ts';
import { type BalancingConfig, maglevPolicy, ringHashPolicy, slowStartOf, subsetsOf } from './balancing-config.ts';

type Found = Partial<BalancingConfig>;

/** Each of Envoy's load balancing policy extensions that is executed, by type name. */
const compilers: Readonly<Record<string, (any: Any, where: string) => Found>> = {
  [RoundRobinSchema.typeName](any, where) {
    const config = unpack(any, RoundRobinSchema, where);
    return { policy: { kind: 'round-robin', slowStart: slowStartOf(config.slowStartConfig) }, ...localityOf(config.localityLbConfig) };
  },
  [LeastRequestSchema.typeName](any, where) {
    const config = unpack(any, LeastRequestSchema, where);
    return {
      policy: {
        kind: 'least-request',
        choices: config.choiceCount,
        bias: config.activeRequestBias?.defaultValue,
        fullScan: config.enableFullScan === true || config.selectionMethod === LeastRequest_SelectionMethod.FULL_SCAN,
        slowStart: slowStartOf(config.slowStartConfig),
      },
      ...localityOf(config.localityLbConfig),
    };
  },
  [RandomSchema.typeName]: () => ({ policy: { kind: 'random' } }),
  [RingHashSchema.typeName](any, where) {
    const config = unpack(any, RingHashSchema, where);
    refuseHashPolicy(config.consistentHashingLbConfig, where);
    const factor = config.consistentHashingLbConfig?.hashBalanceFactor ?? config.hashBalanceFactor;
    const murmur = config.hashFunction === RingHash_HashFunction.MURMUR_HASH_2;
    return {
      policy: ringHashPolicy(config.minimumRingSize, config.maximumRingSize, murmur, factor, where),
      hashesHostname: config.consistentHashingLbConfig?.useHostnameForHashing ?? config.useHostnameForHashing,
      localityWeighted: config.localityWeightedLbConfig !== undefined,
    };
  },
  [MaglevSchema.typeName](any, where) {
    const config = unpack(any, MaglevSchema, where);
    refuseHashPolicy(config.consistentHashingLbConfig, where);
    return {
      policy: maglevPolicy(config.tableSize, config.consistentHashingLbConfig?.hashBalanceFactor, where),
      hashesHostname: config.consistentHashingLbConfig?.useHostnameForHashing ?? false,
      localityWeighted: config.localityWeightedLbConfig !== undefined,
    };
  },
  [WrrLocalitySchema.typeName](any, where) {
    const config = unpack(any, WrrLocalitySchema, where);
    return { ...compilePolicyExtensions(config.endpointPickingPolicy, `${where}.endpoint_picking_policy`), localityWeighted: true };
  },
  [ClusterProvidedSchema.typeName]: () => ({ clusterProvided: true }),
  [SubsetSchema.typeName](any, where) {
    const config = unpack(any, SubsetSchema, where);
    return { ...compilePolicyExtensions(config.subsetLbPolicy, `${where}.subset_lb_policy`), subsets: subsetsOf(config) };
  },
  [ClientSideWeightedRoundRobinSchema.typeName]: () => ({
    policy: { kind: 'round-robin' },
    notes: ['client_side_weighted_round_robin needs load reports of hosts, which are not read: plain round robin is used'],
  }),
};

/** The first policy of the list that is known; throws XebecError `E_CONFIG` when none is. */
export function compilePolicyExtensions(policies: LoadBalancingPolicy | undefined, where: string): Found {
  const names: string[] = [];
  for (const { typedExtensionConfig } of policies?.policies ?? []) {
    const any = typedExtensionConfig?.typedConfig;
    if (any === undefined) continue;
    const compile = compilers[typeNameOf(any)];
    if (compile !== undefined) return compile(any, where);
    names.push(typedExtensionConfig?.name ?? typeNameOf(any));
  }
  throw new XebecError('E_CONFIG', `${where}: didn't find a registered load balancer factory with names from [${names.join(', ')}]`);
}

function refuseHashPolicy(config: ConsistentHashingLbConfig | undefined, where: string): void {
  if (config !== undefined && config.hashPolicy.length > 0)
    throw new XebecError('E_CONFIG', `${where}: hash_policy of a policy is not supported; put it into the routes`);
}

function localityOf(config: LocalityLbConfig | undefined): Found {
  const specifier = config?.localityConfigSpecifier;
  switch (specifier?.case) {
    case 'localityWeightedLbConfig':
      return { localityWeighted: true };
    case 'zoneAwareLbConfig': {
      const { routingEnabled, minClusterSize, failTrafficOnPanic } = specifier.value;
      return {
        failsOnPanic: failTrafficOnPanic,
        zone: { enabledPercent: routingEnabled?.value ?? 100, minClusterSize: Number(minClusterSize ?? 6n) },
      };
    }
    default:
      return { zone: undefined };
  }
}
