import { query, sameList } from '@xebec/incremental';
import type { ConfigObject, Destination, HttpRoute, SidecarSpec } from '@xebec/schemas';
import { hostCovers, hostsOverlap, resolveHost } from './host.ts';
import { isNarrow, selects } from './labels.ts';
import { parseProtocol } from './protocol.ts';
import type { MeshProxy } from './proxy.ts';
import { type Protocol, type Service, serviceKey } from './service.ts';
import type { MeshSnapshot } from './snapshot.ts';
import { MESH_GATEWAY, type VirtualService, virtualServiceHosts, virtualServicesFor } from './virtual-service.ts';
import { isVisible } from './visibility.ts';

/** What one egress listener of a Sidecar lets through; without a port it is the catch-all. */
export interface EgressScope {
  readonly port?: {
    readonly number: number;
    readonly protocol: Protocol;
    readonly name: string;
    /** `HTTP_PROXY`: requests name their host and port, so routes of all ports stand behind it. */
    readonly httpProxy?: boolean;
  };
  readonly bind?: string;
  /** `captureMode: NONE`: the listener takes connections itself. */
  readonly bound?: boolean;
  readonly services: readonly Service[];
  /** Services that only routes lead to: clusters for them, but no listener or virtual host. */
  readonly pulled?: readonly Service[];
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
            return pickOnePerHost(visibleServices(snapshot, namespace), namespace);
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
        ? [...visibleServices(snapshot, namespace), ...hiddenDestinations(snapshot, namespace)]
        : joinPorts(egressOf(snapshot, namespace, sidecar).flatMap((scope) => [...scope.services, ...(scope.pulled ?? [])])),
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
  const names = (rule: EgressHost, owner: string) => rule.namespace === '*' || rule.namespace === owner;
  const excluded = (host: string, owner: string) =>
    rules.some((rule) => rule.excludes && names(rule, owner) && hostCovers(rule.host, host));
  const chosenRoutes = virtualServices.filter((config) =>
    virtualServiceHosts(config, snapshot.domain).some((host) => {
      const owner = config.metadata.namespace;
      const wanted = rules.some((rule) => !rule.excludes && names(rule, owner) && hostsOverlap(rule.host, host));
      return wanted && !excluded(host, owner);
    }),
  );
  const port = spec.port;
  const httpProxy = port?.protocol?.toUpperCase() === 'HTTP_PROXY';
  // A listener of one port has to do with services of that port; an HTTP proxy serves all of them.
  const only = port?.number === undefined || port.number === 0 || httpProxy ? undefined : port.number;
  const atPort = (service: Service) => (only === undefined ? [service] : withPorts(service, new Set([only])));
  const listed = visible
    .filter(({ hostname, namespace: owner }) => {
      const wanted = rules.some((rule) => !rule.excludes && names(rule, owner) && hostCovers(rule.host, hostname));
      return wanted && !excluded(hostname, owner);
    })
    .flatMap(atPort);
  // A route may lead to services that the egress hosts do not list: without their clusters it would go nowhere.
  const pulled = chosenRoutes.flatMap((config) =>
    [...destinationPorts(snapshot, config, namespace)].flatMap(([host, ports]) => {
      const own = snapshot.servicesByHostname(host).find((candidate) => candidate.namespace === namespace);
      const service =
        own ??
        pickOnePerHost(
          visible.filter(({ hostname }) => hostname === host),
          namespace,
        )[0];
      if (service === undefined) return [];
      return only === undefined && !ports.has(0) ? withPorts(service, ports) : atPort(service);
    }),
  );
  return {
    ...(port?.number === undefined
      ? {}
      : {
          port: {
            number: port.number,
            protocol: httpProxy ? 'http' : parseProtocol(port.protocol),
            name: port.name ?? '',
            ...(httpProxy ? { httpProxy } : {}),
          },
        }),
    ...(spec.bind === undefined || spec.bind === '' ? {} : { bind: spec.bind }),
    ...(spec.captureMode === 'NONE' ? { bound: true } : {}),
    services: pickOnePerHost(listed, namespace),
    pulled,
    virtualServices: chosenRoutes,
  };
}

/** The service with some of its ports; nothing where it has none of them. */
function withPorts(service: Service, numbers: ReadonlySet<number>): Service[] {
  const ports = service.ports.filter(({ number }) => numbers.has(number));
  if (ports.length === service.ports.length) return [service];
  return ports.length === 0 ? [] : [{ ...service, ports }];
}

interface EgressHost {
  readonly namespace: string;
  readonly host: string;
  /** `~ns/host`: not this, whatever else names it. */
  readonly excludes: boolean;
}

function parseEgressHost(text: string, namespace: string): EgressHost {
  const slash = text.indexOf('/');
  const written = slash < 0 ? '*' : text.slice(0, slash);
  const host = slash < 0 ? text : text.slice(slash + 1);
  const excludes = written.startsWith('~');
  const owner = excludes ? written.slice(1) || '*' : written;
  return { namespace: owner === '.' ? namespace : owner, host, excludes };
}

/** Hosts that the routes of a VirtualService lead to, fully qualified. */
export function destinationHosts(config: VirtualService, domain: string): string[] {
  const hosts = destinationsOf(config).map(({ host }) => host);
  return hosts.map((host) => resolveHost(host, config.metadata.namespace, domain));
}

/** Services that their own namespace exports to others only. */
const hiddenServices = query(
  'services hidden from their namespace',
  (snapshot: MeshSnapshot, namespace: string): readonly Service[] => {
    const fallback = snapshot.mesh.defaultServiceExportTo ?? ['*'];
    return snapshot.services.filter(
      (service) => service.namespace === namespace && !isVisible(service.exportTo, service.namespace, namespace, fallback),
    );
  },
  { same: sameList },
);

/** Those of them that routes lead to: a rule of the namespace may name what the namespace has. */
const hiddenDestinations = query(
  'hidden services that routes lead to',
  (snapshot: MeshSnapshot, namespace: string): readonly Service[] => {
    const hidden = hiddenServices(snapshot, namespace);
    if (hidden.length === 0) return [];
    const wanted = meshVirtualServices(snapshot, namespace).map((config) => destinationPorts(snapshot, config, namespace));
    return hidden.flatMap((service) => {
      const ports = new Set(wanted.flatMap((hosts) => [...(hosts.get(service.hostname) ?? [])]));
      if (ports.size === 0) return [];
      return ports.has(0) ? [service] : withPorts(service, ports);
    });
  },
  { same: sameList },
);

/** Whether any request from a namespace could take a route. */
function mayComeFrom(route: HttpRoute, namespace: string): boolean {
  const named = (route.match ?? []).flatMap(({ sourceNamespace }) => sourceNamespace || []);
  return named.length === 0 || named.includes(namespace);
}

/**
 * Hosts that the routes of a VirtualService and its delegates lead to from a namespace, each with the ports it names; 0: any.
 */
function destinationPorts(snapshot: MeshSnapshot, config: VirtualService, viewer: string): Map<string, Set<number>> {
  const out = new Map<string, Set<number>>();
  const delegates = (config.spec.http ?? []).flatMap((route) => {
    const { delegate } = route;
    if (delegate === undefined || !mayComeFrom(route, viewer)) return [];
    const place = delegate.namespace || config.metadata.namespace;
    return snapshot.config.in('VirtualService', place).filter(({ metadata }) => metadata.name === delegate.name);
  });
  for (const source of [config, ...delegates])
    for (const { host, port } of destinationsOf(source, viewer)) {
      const full = resolveHost(host, source.metadata.namespace, snapshot.domain);
      const ports = out.get(full) ?? new Set();
      out.set(full, ports.add(port?.number ?? 0));
    }
  return out;
}

/** Where routes lead; from a namespace, only the HTTP routes that it could take. */
function destinationsOf(config: VirtualService, viewer?: string): Destination[] {
  const { http = [], tcp = [], tls = [] } = config.spec;
  const taken = viewer === undefined ? http : http.filter((route) => mayComeFrom(route, viewer));
  return [
    ...taken.flatMap((route) => [
      ...(route.route ?? []).map((entry) => entry.destination),
      ...(route.mirror === undefined ? [] : [route.mirror]),
      ...(route.mirrors ?? []).map((mirror) => mirror.destination),
    ]),
    ...[...tcp, ...tls].flatMap((route) => (route.route ?? []).map((entry) => entry.destination)),
  ];
}

/** Services that several listeners name, each with some of their ports, are one with all of those. */
function joinPorts(services: readonly Service[]): Service[] {
  const joined = new Map<string, Service>();
  for (const service of services) {
    const key = serviceKey(service);
    const known = joined.get(key);
    if (known === undefined) joined.set(key, service);
    else {
      const more = service.ports.filter(({ number }) => !known.ports.some((port) => port.number === number));
      if (more.length > 0) joined.set(key, { ...known, ports: [...known.ports, ...more] });
    }
  }
  return [...joined.values()];
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
