import { query, sameList } from '@xebec/incremental';
import type { ConfigObject, SidecarSpec } from '@xebec/schemas';
import { hostsOverlap, resolveHost } from './host.ts';
import { isNarrow, selects } from './labels.ts';
import { parseProtocol } from './protocol.ts';
import type { MeshProxy } from './proxy.ts';
import { type Protocol, type Service, serviceKey } from './service.ts';
import type { MeshSnapshot } from './snapshot.ts';
import { MESH_GATEWAY, type VirtualService, virtualServiceHosts, virtualServicesFor } from './virtual-service.ts';
import { isVisible } from './visibility.ts';

/** What one egress listener of a Sidecar lets through; without a port it is the catch-all. */
export interface EgressScope {
  readonly port?: { readonly number: number; readonly protocol: Protocol; readonly name: string };
  readonly bind?: string;
  /** `captureMode: NONE`: the listener takes connections itself. */
  readonly bound?: boolean;
  readonly services: readonly Service[];
  readonly virtualServices: readonly VirtualService[];
}

/**
 * The part of the mesh that a proxy sees: this, and not the snapshot, is what its outbound resources are made of. Its members are found
 * when they are read, so that who asks for one service does not depend on all of them.
 */
export interface SidecarScope {
  readonly sidecar?: ConfigObject<SidecarSpec>;
  readonly egress: readonly EgressScope[];
  /** All visible services, by hostname; one a hostname. */
  readonly services: readonly Service[];
  readonly virtualServices: readonly VirtualService[];
  readonly outboundPolicy: 'ALLOW_ANY' | 'REGISTRY_ONLY';
  service(hostname: string): Service | undefined;
}

type Sidecar = ConfigObject<SidecarSpec> | undefined;

/** The Sidecar that rules a proxy: its own selector, then its namespace, then the root namespace. */
export const sidecarOf = query('sidecar of a proxy', (snapshot: MeshSnapshot, proxy: MeshProxy): Sidecar => {
  const own = snapshot.config.in('Sidecar', proxy.namespace);
  const labelled = own.find((config) => {
    const selector = config.spec.workloadSelector?.labels;
    return isNarrow(selector) && selects(selector, proxy.labels);
  });
  const broad = (config: ConfigObject<SidecarSpec>) => !isNarrow(config.spec.workloadSelector?.labels);
  return labelled ?? own.find(broad) ?? snapshot.config.in('Sidecar', snapshot.rootNamespace).find(broad);
});

/** The scope of a proxy; many proxies share it. */
export function sidecarScope(snapshot: MeshSnapshot, proxy: MeshProxy): SidecarScope {
  return scopeOf(snapshot, proxy.namespace, proxy.type === 'router' ? undefined : sidecarOf(snapshot, proxy));
}

const scopeOf = query(
  'scope',
  (snapshot: MeshSnapshot, namespace: string, sidecar: Sidecar): SidecarScope => ({
    ...(sidecar === undefined ? {} : { sidecar }),
    get egress() {
      return egressOf(snapshot, namespace, sidecar);
    },
    get services() {
      return servicesOf(snapshot, namespace, sidecar);
    },
    get virtualServices() {
      return virtualServicesOf(snapshot, namespace, sidecar);
    },
    get outboundPolicy() {
      const mode = (sidecar?.spec.outboundTrafficPolicy ?? snapshot.mesh.outboundTrafficPolicy)?.mode;
      return mode === 'REGISTRY_ONLY' ? 'REGISTRY_ONLY' : 'ALLOW_ANY';
    },
    service: (hostname) => serviceOf(snapshot, namespace, sidecar, hostname),
  }),
);

const egressOf = query('egress of a scope', (snapshot: MeshSnapshot, namespace: string, sidecar: Sidecar): readonly EgressScope[] => {
  const egress = egressSpecsOf(sidecar);
  return egress === undefined
    ? [
        {
          get services() {
            return servicesOf(snapshot, namespace, sidecar);
          },
          get virtualServices() {
            return meshVirtualServices(snapshot, namespace);
          },
        },
      ]
    : egress.map((spec) =>
        egressScope(snapshot, namespace, spec, visibleServices(snapshot, namespace), meshVirtualServices(snapshot, namespace)),
      );
});

/** Undefined: no Sidecar limits what is seen. */
function egressSpecsOf(sidecar: Sidecar): NonNullable<SidecarSpec['egress']> | undefined {
  const egress = sidecar?.spec.egress;
  return egress === undefined || egress.length === 0 ? undefined : egress;
}

const servicesOf = query(
  'services of a scope',
  (snapshot: MeshSnapshot, namespace: string, sidecar: Sidecar): readonly Service[] =>
    pickOnePerHost(
      egressSpecsOf(sidecar) === undefined
        ? visibleServices(snapshot, namespace)
        : egressOf(snapshot, namespace, sidecar).flatMap((scope) => scope.services),
      namespace,
    ),
  { same: sameList },
);

const serviceIndexOf = query(
  'services of a scope by hostname',
  (snapshot: MeshSnapshot, namespace: string, sidecar: Sidecar): ReadonlyMap<string, Service> =>
    new Map(servicesOf(snapshot, namespace, sidecar).map((service) => [service.hostname, service])),
);

const serviceOf = query(
  'service of a scope',
  (snapshot: MeshSnapshot, namespace: string, sidecar: Sidecar, hostname: string): Service | undefined =>
    serviceIndexOf(snapshot, namespace, sidecar).get(hostname),
);

const virtualServicesOf = query(
  'virtual services of a scope',
  (snapshot: MeshSnapshot, namespace: string, sidecar: Sidecar): readonly VirtualService[] => [
    ...new Set(egressOf(snapshot, namespace, sidecar).flatMap((scope) => scope.virtualServices)),
  ],
  { same: sameList },
);

const meshVirtualServices = query(
  'virtual services of a namespace',
  (snapshot: MeshSnapshot, namespace: string): readonly VirtualService[] => virtualServicesFor(snapshot, MESH_GATEWAY, namespace),
  { same: sameList },
);

function egressScope(
  snapshot: MeshSnapshot,
  namespace: string,
  spec: NonNullable<SidecarSpec['egress']>[number],
  visible: readonly Service[],
  virtualServices: readonly VirtualService[],
): EgressScope {
  const rules = spec.hosts.map((host) => parseEgressHost(host, namespace));
  const admits = (host: string, owner: string) =>
    rules.some((rule) => (rule.namespace === '*' || rule.namespace === owner) && hostsOverlap(rule.host, host));
  const chosenRoutes = virtualServices.filter((config) =>
    virtualServiceHosts(config, snapshot.domain).some((host) => admits(host, config.metadata.namespace)),
  );
  // A route may lead to services that the egress hosts do not list: without their clusters it would go nowhere.
  const wanted = new Set(chosenRoutes.flatMap((config) => destinationHosts(config, snapshot.domain)));
  const services = visible.filter((service) => admits(service.hostname, service.namespace) || wanted.has(service.hostname));
  const port = spec.port;
  return {
    ...(port?.number === undefined ? {} : { port: { number: port.number, protocol: parseProtocol(port.protocol), name: port.name ?? '' } }),
    ...(spec.bind === undefined || spec.bind === '' ? {} : { bind: spec.bind }),
    ...(spec.captureMode === 'NONE' ? { bound: true } : {}),
    services: pickOnePerHost(services, namespace),
    virtualServices: chosenRoutes,
  };
}

function parseEgressHost(text: string, namespace: string): { namespace: string; host: string } {
  const slash = text.indexOf('/');
  const owner = slash < 0 ? '*' : text.slice(0, slash);
  const host = slash < 0 ? text : text.slice(slash + 1);
  return { namespace: owner === '.' ? namespace : owner, host };
}

/** Hosts that the routes of a VirtualService lead to, fully qualified. */
export function destinationHosts(config: VirtualService, domain: string): string[] {
  const { http = [], tcp = [], tls = [] } = config.spec;
  const hosts = [
    ...http.flatMap((route) => [
      ...(route.route ?? []).map((entry) => entry.destination.host),
      ...(route.mirror === undefined ? [] : [route.mirror.host]),
      ...(route.mirrors ?? []).map((mirror) => mirror.destination.host),
    ]),
    ...[...tcp, ...tls].flatMap((route) => (route.route ?? []).map((entry) => entry.destination.host)),
  ];
  return hosts.map((host) => resolveHost(host, config.metadata.namespace, domain));
}

const visibleServices = query(
  'visible services',
  (snapshot: MeshSnapshot, namespace: string): readonly Service[] => {
    const fallback = snapshot.mesh.defaultServiceExportTo ?? ['*'];
    return snapshot.services.filter((service) => isVisible(service.exportTo, service.namespace, namespace, fallback));
  },
  { same: sameList },
);

/** One service a hostname: the viewer's own namespace first, then the platform's, then the oldest. */
function pickOnePerHost(services: readonly Service[], namespace: string): Service[] {
  const best = new Map<string, Service>();
  for (const service of services) {
    const other = best.get(service.hostname);
    if (other === undefined || beats(service, other, namespace)) best.set(service.hostname, service);
  }
  return [...best.values()].sort((a, b) => (a.hostname < b.hostname ? -1 : 1));
}

function beats(a: Service, b: Service, namespace: string): boolean {
  if (serviceKey(a) === serviceKey(b)) return false;
  if ((a.namespace === namespace) !== (b.namespace === namespace)) return a.namespace === namespace;
  if (a.registry !== b.registry) return a.registry === 'kubernetes';
  return a.creationTimestamp !== '' && (b.creationTimestamp === '' || a.creationTimestamp < b.creationTimestamp);
}
