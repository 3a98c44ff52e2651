import {
  destinationRuleOf,
  type MeshProxy,
  type MeshSnapshot,
  type ResolvedDestinationRule,
  resolveHost,
  type SidecarScope,
} from '@xebec/model';
import type { Destination, LoadBalancer, TrafficPolicy } from '@xebec/schemas';
import { outboundCluster } from '../cluster/names.ts';
import { type DurationFields, duration } from '../envoy/duration.ts';
import { type ConfigReference, referenceTo } from '../generated.ts';

export type ConsistentHash = NonNullable<LoadBalancer['consistentHash']>;

/** What a DestinationRule says of TCP connections that a listener passes on. */
export interface ConnectionPolicy {
  readonly hashSourceIp: boolean;
  readonly idleTimeout?: DurationFields;
  readonly maxDuration?: DurationFields;
  readonly tunnel?: NonNullable<TrafficPolicy['tunnel']>;
}

/** Where a route leads. */
export interface ResolvedDestination {
  readonly cluster: string;
  readonly hostname: string;
  readonly port: number;
  readonly consistentHash?: ConsistentHash;
  readonly connections?: ConnectionPolicy;
  /** The same for connections shared out among several destinations: a subset's own hash and tunnel do not count. */
  readonly connectionsWithoutSubset?: ConnectionPolicy;
  readonly references: readonly ConfigReference[];
}

/** Finds the cluster of a destination as a rule of `namespace` writes it. */
export type DestinationResolver = (destination: Destination, namespace: string) => ResolvedDestination;

/**
 * A resolver for one listener. A destination without a port means the service's only port, else the port of the listener.
 * `onlyListenerPort` narrows services to that port, as sidecars do for their per-port routes.
 */
export function destinationResolver(
  snapshot: MeshSnapshot,
  proxy: MeshProxy,
  scope: SidecarScope,
  listenerPort: number,
  onlyListenerPort: boolean,
): DestinationResolver {
  return (destination, namespace) => {
    const named = resolveHost(destination.host, namespace, snapshot.domain);
    const service = scope.service(named);
    const hostname = service?.aliasOf ?? named;
    const [first, ...more] = service?.ports ?? [];
    const single = first !== undefined && more.length === 0 && (!onlyListenerPort || listenerPort === 0) ? first.number : undefined;
    const inferred = single ?? listenerPort;
    const port = destination.port?.number ?? inferred;
    const rule = service === undefined ? undefined : destinationRuleOf(snapshot, proxy, service);
    const hash = rule === undefined ? undefined : consistentHashOf(rule, destination);
    return {
      cluster: outboundCluster(port, destination.subset, hostname),
      hostname,
      port,
      ...(hash === undefined ? {} : { consistentHash: hash }),
      ...(rule === undefined
        ? {}
        : { connections: connectionPolicyOf(rule, destination.subset), connectionsWithoutSubset: connectionPolicyOf(rule, undefined) }),
      references: (rule?.sources ?? []).map((object) => referenceTo(object)),
    };
  };
}

/**
 * What requests to a destination are hashed by. The policy of a port counts only where the destination names that port;
 * the subset's own comes over the rule's.
 */
function consistentHashOf(rule: ResolvedDestinationRule, destination: Destination): ConsistentHash | undefined {
  const subset = destination.subset === undefined ? undefined : rule.subsets.find(({ name }) => name === destination.subset);
  const port = destination.port?.number;
  const atPort = (policy: TrafficPolicy | undefined) =>
    port === undefined
      ? undefined
      : policy?.portLevelSettings?.find((settings) => settings.port?.number === port)?.loadBalancer?.consistentHash;
  return (
    atPort(subset?.trafficPolicy) ??
    subset?.trafficPolicy?.loadBalancer?.consistentHash ??
    atPort(rule.trafficPolicy) ??
    rule.trafficPolicy?.loadBalancer?.consistentHash
  );
}

/** Limits of connections come from the rule as a whole, hashing and tunnel from the subset where it says anything. */
export function connectionPolicyOf(rule: ResolvedDestinationRule, subsetName: string | undefined): ConnectionPolicy {
  const general = rule.trafficPolicy;
  const named = subsetName !== undefined && subsetName !== '';
  const own = named ? rule.subsets.find(({ name }) => name === subsetName)?.trafficPolicy : undefined;
  const tcp = general?.connectionPool?.tcp;
  const tunnel = named ? own?.tunnel : general?.tunnel;
  const idleTimeout = duration(tcp?.idleTimeout);
  const maxDuration = duration(tcp?.maxConnectionDuration);
  return {
    hashSourceIp: (own?.loadBalancer ?? general?.loadBalancer)?.consistentHash?.useSourceIp === true,
    ...(idleTimeout === undefined ? {} : { idleTimeout }),
    ...(maxDuration === undefined ? {} : { maxDuration }),
    ...(tunnel === undefined ? {} : { tunnel }),
  };
}
