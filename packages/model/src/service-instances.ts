import { query, sameList } from '@xebec/incremental';
import { selects } from './labels.ts';
import type { MeshProxy } from './proxy.ts';
import type { Service, ServicePort } from './service.ts';
import type { ServiceInstance } from './service-instance.ts';
import { ingressInstances } from './sidecar-ingress.ts';
import { sidecarOf } from './sidecar-scope.ts';
import type { MeshSnapshot } from './snapshot.ts';

/**
 * What the workload beside a proxy serves: services that select its labels in its namespace, and services that list its
 * address. Ready or not: a workload that is not yet ready still needs its inbound listeners. Ordered oldest service first,
 * since the oldest wins a port.
 */
export function inboundInstances(snapshot: MeshSnapshot, proxy: MeshProxy): ServiceInstance[] {
  const instances = serviceInstances(snapshot, proxy);
  const declared = ingressInstances(sidecarOf(snapshot, proxy), proxy, instances);
  if (declared !== undefined) return declared;
  // Without iptables the workload itself listens on its ports, unless it has another address for that than the proxy.
  return proxy.interceptionMode === 'NONE' && typeof proxy.metadata['XEBEC_APP_ADDRESS'] !== 'string' ? [] : instances;
}

/** As `inboundInstances`, without what a Sidecar's `ingress` changes: what services say. */
export function serviceInstances(snapshot: MeshSnapshot, proxy: MeshProxy): ServiceInstance[] {
  const out = new Map<string, ServiceInstance>();
  const add = (service: Service, port: ServicePort, targetPort: number) => {
    if (port.protocol === 'udp') return;
    out.set(`${service.namespace}/${service.hostname}/${port.number}/${targetPort}`, { service, port, targetPort });
  };
  for (const service of candidates(snapshot, proxy)) {
    if (!selects(service.selector, proxy.labels)) continue;
    for (const port of service.ports) {
      const target = targetPortOf(port, proxy);
      if (target !== undefined) add(service, port, target);
    }
  }
  for (const address of proxy.addresses) {
    for (const { service, endpoint } of snapshot.endpointsAt(address)) {
      const port = service.ports.find((candidate) => candidate.name === endpoint.servicePortName);
      if (port !== undefined) add(service, port, endpoint.port);
    }
  }
  return [...out.values()].sort((a, b) => bySeniority(a.service, b.service) || a.port.number - b.port.number);
}

/** Services of a namespace that may select a workload, by the first label of their selectors. */
const servicesByLabel = query('services by label', (snapshot: MeshSnapshot, namespace: string): ReadonlyMap<string, readonly Service[]> => {
  const out = new Map<string, Service[]>();
  for (const service of servicesOf(snapshot, namespace)) {
    const [first] = Object.entries(service.selector ?? {});
    if (first === undefined) continue;
    const list = out.get(first.join('='));
    if (list === undefined) out.set(first.join('='), [service]);
    else list.push(service);
  }
  return out;
});

const servicesOf = query(
  'own services of a namespace',
  (snapshot: MeshSnapshot, namespace: string) => snapshot.services.filter((service) => service.namespace === namespace),
  { same: sameList },
);

const servicesWithLabel = query(
  'services with a label',
  (snapshot: MeshSnapshot, namespace: string, label: string) => servicesByLabel(snapshot, namespace).get(label) ?? [],
  { same: sameList },
);

function candidates(snapshot: MeshSnapshot, proxy: MeshProxy): readonly Service[] {
  return Object.entries(proxy.labels).flatMap((label) => servicesWithLabel(snapshot, proxy.namespace, label.join('=')));
}

function bySeniority(a: Service, b: Service): number {
  if (a.creationTimestamp !== b.creationTimestamp) {
    if (a.creationTimestamp === '') return 1;
    if (b.creationTimestamp === '') return -1;
    return a.creationTimestamp < b.creationTimestamp ? -1 : 1;
  }
  return a.hostname < b.hostname ? -1 : a.hostname > b.hostname ? 1 : 0;
}

function targetPortOf(port: ServicePort, proxy: MeshProxy): number | undefined {
  if (typeof port.targetPort === 'number') return port.targetPort;
  if (port.targetPort === undefined) return port.number;
  const name = port.targetPort;
  return podPorts(proxy.metadata.POD_PORTS).find((podPort) => podPort.name === name)?.containerPort;
}

function podPorts(raw: unknown): { name: string; containerPort: number }[] {
  let value = raw;
  if (typeof raw === 'string') {
    try {
      value = JSON.parse(raw);
    } catch {
      return [];
    }
  }
  if (!Array.isArray(value)) return [];
  return value.flatMap((entry: unknown) => {
    if (typeof entry !== 'object' || entry === null || !('containerPort' in entry)) return [];
    const name = 'name' in entry && typeof entry.name === 'string' ? entry.name : '';
    return typeof entry.containerPort === 'number' ? [{ name, containerPort: entry.containerPort }] : [];
  });
}
