import type { Endpoint, EndpointHealth, Workload } from '@xebec/model';
import type { KubernetesEndpointSlice } from './objects.ts';

type SliceEndpoint = NonNullable<KubernetesEndpointSlice['endpoints']>[number];

/** One address that a slice lists, and the pod it says to be. */
export interface SliceAddress {
  readonly address: string;
  /** `namespace/name`; undefined where the slice names no pod. */
  readonly pod: string | undefined;
  readonly namespace: string;
}

/** The workload behind an address; undefined while a pod that the slice names is not known. */
export type WorkloadAt = (at: SliceAddress) => { readonly workload: Workload; readonly nodeName: string } | undefined;

/** All addresses of a slice. Slices of names hold none: nobody resolves them. */
export function addressesOf(slice: KubernetesEndpointSlice): SliceAddress[] {
  if (slice.addressType === 'FQDN') return [];
  const namespace = slice.metadata?.namespace ?? 'default';
  return (slice.endpoints ?? []).flatMap((endpoint) => addressesOfEndpoint(endpoint, namespace));
}

function addressesOfEndpoint({ addresses, targetRef }: SliceEndpoint, namespace: string): SliceAddress[] {
  const pod = targetRef?.kind === 'Pod' ? `${targetRef.namespace ?? namespace}/${targetRef.name ?? ''}` : undefined;
  return (addresses ?? []).map((address) => ({ address, pod, namespace }));
}

/**
 * The endpoints of a slice. One whose pod is not known yet is left out until it is: without the pod's account callers could not tell
 * whom they talk to.
 */
export function endpointsOfSlice(slice: KubernetesEndpointSlice, workloadAt: WorkloadAt): Endpoint[] {
  if (slice.addressType === 'FQDN') return [];
  const namespace = slice.metadata?.namespace ?? 'default';
  return (slice.endpoints ?? []).flatMap((raw) => {
    const health = healthOf(raw.conditions ?? {});
    if (health === undefined) return [];
    return addressesOfEndpoint(raw, namespace).flatMap((at) => {
      const found = workloadAt(at);
      if (found === undefined) return [];
      const { workload, nodeName } = found;
      return (slice.ports ?? []).flatMap((port): Endpoint[] => {
        if (port.port === undefined || port.port === null) return [];
        return [
          {
            address: at.address,
            port: port.port,
            servicePortName: port.name ?? '',
            labels: workload.labels,
            namespace: workload.namespace,
            serviceAccount: workload.serviceAccount,
            workloadName: workload.workloadName,
            locality: workload.locality,
            weight: 1,
            health,
            tlsMode: workload.tlsMode,
            network: workload.network,
            ...(nodeName === '' ? {} : { nodeName }),
            ...(workload.podName === undefined ? {} : { podName: workload.podName }),
          },
        ];
      });
    });
  });
}

/**
 * Without duplicates: an address that moves from one slice to another is in both for a while, and what is ready is believed first.
 */
export function withoutDuplicates(endpoints: readonly Endpoint[]): Endpoint[] {
  const out = new Map<string, Endpoint>();
  for (const endpoint of endpoints) {
    const key = `${endpoint.servicePortName} ${endpoint.address}`;
    const before = out.get(key);
    if (before === undefined || (before.health !== 'healthy' && endpoint.health === 'healthy')) out.set(key, endpoint);
  }
  return [...out.values()];
}

/**
 * `ready` unset means ready, and who is ready takes calls even while it ends (slices of services with publishNotReadyAddresses say so).
 * An endpoint that ends but still serves drains; one that ends and serves no more is gone.
 */
function healthOf(conditions: NonNullable<SliceEndpoint['conditions']>): EndpointHealth | undefined {
  if (conditions.ready !== false) return 'healthy';
  if (conditions.terminating === true) return conditions.serving === false ? undefined : 'draining';
  return 'unhealthy';
}
