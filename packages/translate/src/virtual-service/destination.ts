import { destinationRuleOf, type MeshProxy, type MeshSnapshot, resolveHost, type SidecarScope, trafficPolicyOf } from '@xebec/model';
import type { Destination, LoadBalancer } from '@xebec/schemas';
import { outboundCluster } from '../cluster/names.ts';
import { type ConfigReference, referenceTo } from '../generated.ts';

export type ConsistentHash = NonNullable<LoadBalancer['consistentHash']>;

/** Where a route leads. */
export interface ResolvedDestination {
  readonly cluster: string;
  readonly hostname: string;
  readonly port: number;
  readonly consistentHash?: ConsistentHash;
  readonly references: readonly ConfigReference[];
}

/** Finds the cluster of a destination as a rule of `namespace` writes it. */
export type DestinationResolver = (destination: Destination, namespace: string) => ResolvedDestination;

/**
 * A resolver for one listener. A destination without a port means the service's only port, else the port of the listener;
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
    const hostname = resolveHost(destination.host, namespace, snapshot.domain);
    const service = scope.service(hostname);
    const [only, ...more] = service?.ports ?? [];
    const inferred = only !== undefined && more.length === 0 && !onlyListenerPort ? only.number : listenerPort;
    const port = destination.port?.number ?? inferred;
    const rule = service === undefined ? undefined : destinationRuleOf(snapshot, proxy, service);
    const subset = rule?.subsets.find((candidate) => candidate.name === destination.subset);
    const hash = trafficPolicyOf(rule, subset, port, snapshot.mesh.defaultTrafficPolicy).loadBalancer?.consistentHash;
    return {
      cluster: outboundCluster(port, destination.subset, hostname),
      hostname,
      port,
      ...(hash === undefined ? {} : { consistentHash: hash }),
      references: (rule?.sources ?? []).map((object) => referenceTo(object)),
    };
  };
}
