import { isIP } from 'node:net';
import type { ConfigObject, ServiceEntrySpec, WorkloadEntrySpec } from '@xebec/schemas';
import { hostsToAllocate } from './allocated-addresses.ts';
import { isNarrow, selects } from './labels.ts';
import { parseProtocol } from './protocol.ts';
import type { Endpoint, Resolution, Service, ServicePort } from './service.ts';
import { parseLocality, type Workload } from './workload.ts';

export interface ServiceWithEndpoints {
  readonly service: Service;
  readonly endpoints: readonly Endpoint[];
}

const TLS_MODE_LABEL = 'security.istio.io/tlsMode';

/** The services, one a host, that a ServiceEntry describes, with the endpoints it lists or selects among `workloads`. */
export function servicesFromEntry(entry: ConfigObject<ServiceEntrySpec>, workloads: readonly Workload[]): ServiceWithEndpoints[] {
  const { spec, metadata } = entry;
  const ports = (spec.ports ?? []).map(
    (port): ServicePort => ({
      name: port.name ?? `port-${port.number}`,
      number: port.number,
      protocol: parseProtocol(port.protocol),
      ...(port.targetPort === undefined ? {} : { targetPort: port.targetPort }),
    }),
  );
  const resolution = resolutionOf(spec);
  const selector = spec.workloadSelector?.labels;
  const chosen =
    selector === undefined
      ? []
      : workloads.filter(
          (w) =>
            w.namespace === metadata.namespace &&
            selects(selector, w.labels) &&
            (resolution === 'dns' || resolution === 'dns-round-robin' || isAddress(w)),
        );
  const hosts = new Set(hostsToAllocate(entry));
  return spec.hosts.map((host) => {
    const allocated = hosts.has(host) ? (entry.allocated ?? []).filter((address) => address.host === host) : [];
    const service: Service = {
      hostname: host,
      name: metadata.name,
      namespace: metadata.namespace,
      registry: 'external',
      addresses: (spec.addresses ?? []).map((address) => address.replace(address.includes(':') ? /\/128$/ : /\/32$/, '')),
      ...(allocated.length === 0 ? {} : { allocated: allocated.map(({ value }) => value) }),
      ports,
      resolution,
      ...(spec.resolution === 'DYNAMIC_DNS' && host.startsWith('*') ? { dynamic: true as const } : {}),
      meshExternal: spec.location !== 'MESH_INTERNAL',
      headless: false,
      exportTo: spec.exportTo ?? [],
      ...(selector === undefined ? {} : { selector }),
      labels: metadata.labels,
      creationTimestamp: metadata.creationTimestamp,
      subjectAltNames: spec.subjectAltNames ?? [],
    };
    return { service, endpoints: endpointsOf(host, spec, metadata, ports, resolution, chosen) };
  });
}

function resolutionOf(spec: ServiceEntrySpec): Resolution {
  if (spec.resolution === 'STATIC') return 'client-side';
  if (spec.resolution === 'DNS' || spec.resolution === 'DYNAMIC_DNS') return 'dns';
  if (spec.resolution === 'DNS_ROUND_ROBIN') return 'dns-round-robin';
  return 'passthrough';
}

function endpointsOf(
  host: string,
  spec: ServiceEntrySpec,
  { name, namespace }: { name: string; namespace: string },
  ports: readonly ServicePort[],
  resolution: Resolution,
  chosen: readonly Workload[],
): Endpoint[] {
  if (resolution === 'passthrough') return [];
  const listed = (spec.endpoints ?? []).map((endpoint, index) => toWorkload(endpoint, `${name}-${index}`, namespace));
  const members = [...listed, ...chosen];
  // A DNS service without endpoints resolves its own host name.
  if (members.length === 0 && resolution !== 'client-side' && spec.workloadSelector === undefined)
    members.push(toWorkload({ address: host }, name, namespace));
  return members.flatMap((member) => ports.map((port) => toEndpoint(member, port)));
}

function toEndpoint(workload: Workload, port: ServicePort): Endpoint {
  const target = typeof port.targetPort === 'number' ? port.targetPort : port.number;
  return {
    address: workload.address,
    port: (Object.hasOwn(workload.ports, port.name) ? workload.ports[port.name] : undefined) ?? target,
    servicePortName: port.name,
    labels: workload.labels,
    namespace: workload.namespace,
    serviceAccount: workload.serviceAccount,
    workloadName: workload.workloadName,
    locality: workload.locality,
    weight: workload.weight,
    health: 'healthy',
    tlsMode: workload.tlsMode,
    network: workload.network,
  };
}

/** What selectors see of a WorkloadEntry: the labels of its metadata come over those of its spec. */
export function workloadOfEntry(entry: ConfigObject<WorkloadEntrySpec>): Workload {
  const { spec, metadata } = entry;
  return toWorkload({ ...spec, labels: { ...spec.labels, ...metadata.labels } }, metadata.name, metadata.namespace);
}

/** Endpoints of a platform's service on WorkloadEntries that its selector chooses. */
export function endpointsOnWorkloads(service: Service, workloads: readonly Workload[]): Endpoint[] {
  const { selector } = service;
  if (selector === undefined || !isNarrow(selector)) return [];
  return workloads
    .filter((workload) => workload.namespace === service.namespace && selects(selector, workload.labels) && isAddress(workload))
    .flatMap((workload) => service.ports.map((port) => toEndpoint(workload, port)));
}

/** Only what resolves names can do with a workload that has no address but a name. */
function isAddress({ address }: Workload): boolean {
  return address === '' || isIP(address) !== 0;
}

/** A WorkloadEntry, or an endpoint written inside a ServiceEntry, as a workload. */
export function toWorkload(spec: WorkloadEntrySpec, name: string, namespace: string): Workload {
  const labels = spec.labels ?? {};
  return {
    name,
    namespace,
    address: spec.address ?? '',
    labels,
    serviceAccount: spec.serviceAccount ?? '',
    workloadName: labels['service.istio.io/workload-name'] ?? name,
    locality: parseLocality(spec.locality),
    weight: spec.weight ?? 1,
    // Who has an identity of the mesh can prove it, unless its label says otherwise.
    tlsMode: (labels[TLS_MODE_LABEL] ?? ((spec.serviceAccount ?? '') === '' ? 'disabled' : 'istio')) === 'istio' ? 'istio' : 'disabled',
    network: spec.network ?? '',
    ports: spec.ports ?? {},
  };
}
