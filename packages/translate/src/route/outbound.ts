import { create } from '@bufbuild/protobuf';
import {
  type EgressScope,
  hostCovers,
  isHttp,
  MESH_GATEWAY,
  type MeshProxy,
  type MeshSnapshot,
  type Service,
  type SidecarScope,
  sidecarScope,
  type VirtualService,
  virtualServiceHosts,
  virtualServiceLookup,
} from '@xebec/model';
import { type RouteConfiguration, RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import { parseOutboundCluster } from '../cluster/names.ts';
import { type ConfigReference, type Generated, referenceTo } from '../generated.ts';
import { proxyHeadersConfig } from '../listener/proxy-config.ts';
import { asksMixer, mixerRouteConfig } from '../mixer/client.ts';
import { resolveDelegates } from '../virtual-service/delegate.ts';
import { destinationResolver } from '../virtual-service/destination.ts';
import { httpRoutes, type Route } from '../virtual-service/http-routes.ts';
import { catchAllHost, defaultRoute, serviceDomains, type VirtualHost } from './virtual-host.ts';

/** Route of the explicit HTTP proxy port. */
export const HTTP_PROXY_ROUTE = 'http_proxy';

/** Most bytes of a direct response's body. */
const MAX_DIRECT_RESPONSE = 1_048_576;

export interface RouteTarget {
  /** 0: any port, told apart by the port in the host. */
  readonly port: number;
  /** Only this service: the sniffed port of one virtual address. */
  readonly hostname?: string;
  /** `unix://` and a path: the socket of a Sidecar's egress listener. */
  readonly socket?: string;
}

/** What the name of a sidecar's route configuration stands for; undefined when it is not one. */
export function parseRouteName(name: string): RouteTarget | undefined {
  if (name === HTTP_PROXY_ROUTE) return { port: 0 };
  if (name.startsWith('unix://')) return { port: 0, socket: name };
  if (/^\d+$/.test(name)) return { port: Number(name) };
  // Proxyless gRPC has its routes under the names of clusters.
  const cluster = parseOutboundCluster(name);
  if (cluster !== undefined) return { port: cluster.port, hostname: cluster.hostname };
  const colon = name.lastIndexOf(':');
  const port = Number(name.slice(colon + 1));
  return colon > 0 && Number.isInteger(port) && port > 0 ? { port, hostname: name.slice(0, colon) } : undefined;
}

/** The routes of a sidecar's outbound port: a virtual host for each service, and one for the rest. */
export function outboundRoute(snapshot: MeshSnapshot, proxy: MeshProxy, name: string, target: RouteTarget): Generated<RouteConfiguration> {
  const scope = sidecarScope(snapshot, proxy);
  // Proxyless gRPC compares the host with its port, and knows no way to ignore it.
  const grpc = proxy.flavour === 'grpc';
  const egress = egressOf(scope, target) ?? scope;
  const listenerPort = 'port' in egress && egress.port?.httpProxy === true ? 0 : target.port;
  const anyPort = listenerPort === 0;
  const references = new Map<string, ConfigReference>();
  const domains = new DomainNames();
  const aliases = scope.services.filter(({ aliasOf }) => aliasOf !== undefined);
  const hosts: VirtualHost[] = [];
  for (const group of hostGroups(snapshot, proxy, scope, egress, listenerPort)) {
    for (const { hostname, service } of group.hosts) {
      const names =
        service === undefined
          ? grpc
            ? [hostname, `${hostname}:${group.port}`]
            : anyPort
              ? withPort([hostname], group.port)
              : [hostname]
          : grpc
            ? bothForms(allDomains(service, aliases, proxy, snapshot.domain), group.port)
            : anyPort
              ? withPort(allDomains(service, aliases, proxy, snapshot.domain), group.port)
              : allDomains(service, aliases, proxy, snapshot.domain);
      const free = domains.take(`${hostname}:${group.port}`, names);
      if (free.length === 0) continue;
      if (group.rule !== undefined) references.set(`${group.rule.metadata.namespace}/${group.rule.metadata.name}`, referenceTo(group.rule));
      hosts.push({
        name: `${hostname}:${group.port}`,
        domains: free,
        routes: [...group.routes],
        includeRequestAttemptCount: includesAttemptCount(snapshot, proxy),
        ...(service !== undefined && asksMixer(snapshot, proxy)
          ? { typedPerFilterConfig: mixerRouteConfig(snapshot, proxy, service) }
          : {}),
      });
    }
  }
  hosts.sort((a, b) => ((a.name ?? '') < (b.name ?? '') ? -1 : 1));
  const { hostname } = target;
  // A listener for the address of one service: whatever host a request names, this is where it goes.
  const shown =
    hostname === undefined
      ? [...hosts, ...(grpc ? [] : [catchAllHost(scope, includesAttemptCount(snapshot, proxy), keepsForwardedHost(snapshot, proxy))])]
      : hosts.filter((host) => host.domains?.includes(hostname) === true).map((host) => (grpc ? host : { ...host, domains: ['*'] }));
  const message = create(RouteConfigurationSchema, {
    name,
    virtualHosts: shown,
    validateClusters: false,
    maxDirectResponseBodySizeBytes: MAX_DIRECT_RESPONSE,
    ignorePortInHostMatching: !anyPort,
  });
  return { name, message, provenance: [...references.values()] };
}

/** The egress listener that rules a port: the first that names it, or the one for all ports; a socket has one of its own. */
function egressOf(scope: SidecarScope, { port, socket }: RouteTarget): EgressScope | undefined {
  if (socket !== undefined) return scope.egress.find((entry) => entry.bind === socket);
  return scope.egress.find((entry) => entry.port === undefined || entry.port.number === port);
}

function includesAttemptCount(snapshot: MeshSnapshot, proxy: MeshProxy): boolean {
  return proxyHeadersConfig(snapshot, proxy)?.attemptCount?.disabled !== true;
}

function keepsForwardedHost(snapshot: MeshSnapshot, proxy: MeshProxy): boolean {
  return proxyHeadersConfig(snapshot, proxy)?.xForwardedHost?.enabled === true;
}

/** The names of a service and of those that only stand for it. */
function allDomains(service: Service, aliases: readonly Service[], proxy: MeshProxy, domain: string): string[] {
  // Pods of a headless service are below each of its names.
  const own = aliases.filter(({ aliasOf }) => aliasOf === service.hostname).map((alias) => ({ ...alias, headless: service.headless }));
  return [service, ...own].flatMap((named) => serviceDomains(named, proxy, domain));
}

/** Hosts that share a list of routes on a port. */
interface HostGroup {
  readonly port: number;
  readonly rule?: VirtualService;
  readonly routes: readonly Route[];
  readonly hosts: readonly { readonly hostname: string; readonly service?: Service }[];
}

/**
 * First the hosts of VirtualServices in their order, then services that none rules. A rule none of whose routes can hold
 * here is as if it were not there. Hosts that no service has stand beside the services that the rule also names, and on
 * port 80.
 */
function hostGroups(snapshot: MeshSnapshot, proxy: MeshProxy, scope: SidecarScope, egress: EgressScope, listenerPort: number): HostGroup[] {
  const { domain, mesh } = snapshot;
  const anyPort = listenerPort === 0;
  const present = egress.services.filter((service) => anyPort || service.ports.some(({ number }) => number === listenerPort));
  const byHost = new Map(present.map((service) => [service.hostname.toLowerCase(), service]));
  const http = new Map<Service, readonly number[]>(present.map((service) => [service, httpPortsOf(service, listenerPort)]));
  const ruleOf = virtualServiceLookup(egress.virtualServices, domain);
  const resolve = destinationResolver(snapshot, proxy, scope, listenerPort, true);
  const site = {
    proxy,
    gateways: new Set([MESH_GATEWAY]),
    ports: [listenerPort],
    listenerPort,
    resolve,
    defaultRetries: mesh.defaultHttpRetryPolicy,
    forwardedHost: keepsForwardedHost(snapshot, proxy),
    grpc: proxy.flavour === 'grpc',
  };
  const groups: HostGroup[] = [];
  const ruled = new Set<Service>();
  for (const rule of egress.virtualServices) {
    if (rule.spec.http === undefined || rule.spec.http.length === 0) continue;
    const hosts = virtualServiceHosts(rule, domain).map((host) => host.toLowerCase());
    if (listenerPort !== 80 && !hosts.some((host) => touches(host, byHost))) continue;
    const routes = httpRoutes(resolveDelegates(snapshot, rule), site).map((output) => output.route);
    if (routes.length === 0) continue;
    const services = new Set<Service>();
    const others: string[] = [];
    for (const host of hosts.filter((name) => !name.startsWith('*'))) {
      const service = byHost.get(host);
      if (service === undefined) others.push(host);
      else services.add(service);
    }
    for (const host of hosts.filter((name) => name.startsWith('*'))) {
      const covered = present.filter((service) => hostCovers(host, service.hostname));
      // The most specific rule has a service to itself.
      for (const service of covered) if (ruleOf(service.hostname) === rule) services.add(service);
      if (covered.length === 0) others.push(host);
    }
    const ports = new Set([...services].flatMap((service) => http.get(service) ?? []));
    if (ports.size === 0 && listenerPort === 80) ports.add(80);
    for (const port of ports) {
      const here = [...services].filter((service) => http.get(service)?.includes(port) === true);
      for (const service of here) ruled.add(service);
      groups.push({
        port,
        rule,
        routes,
        hosts: [...others.map((hostname) => ({ hostname })), ...here.map((service) => ({ hostname: service.hostname, service }))],
      });
    }
  }
  for (const service of present) {
    if (ruled.has(service) || service.aliasOf !== undefined) continue;
    for (const port of http.get(service) ?? []) {
      const to = resolve({ host: service.hostname, port: { number: port } }, service.namespace);
      groups.push({
        port,
        routes: [defaultRoute(to, mesh.defaultHttpRetryPolicy)],
        hosts: [{ hostname: service.hostname, service }],
      });
    }
  }
  return groups;
}

/** Whether a host of a rule has to do with any of the services. */
function touches(host: string, services: ReadonlyMap<string, Service>): boolean {
  if (services.has(host)) return true;
  return [...services.keys()].some((hostname) =>
    host.startsWith('*') ? hostCovers(host, hostname) : hostname.startsWith('*') && hostCovers(hostname, host),
  );
}

function httpPortsOf(service: Service, listenerPort: number): number[] {
  return service.ports
    .filter(({ number, protocol }) => (listenerPort === 0 || number === listenerPort) && (isHttp(protocol) || protocol === 'auto'))
    .map(({ number }) => number);
}

/** Each name of a virtual host and each domain is given out once. */
class DomainNames {
  readonly #hosts = new Set<string>();
  readonly #domains = new Set<string>();

  take(name: string, domains: readonly string[]): string[] {
    if (this.#hosts.has(name)) return [];
    this.#hosts.add(name);
    const free = domains.filter((domain) => !this.#domains.has(domain.toLowerCase()));
    for (const domain of free) this.#domains.add(domain.toLowerCase());
    return free;
  }
}

/** `host:port`, and the bare name where clients leave the port out because it is the default. */
function withPort(domains: readonly string[], port: number): string[] {
  const named = domains.map((domain) => `${domain}:${port}`);
  return port === 80 ? [...domains, ...named] : named;
}

function bothForms(domains: readonly string[], port: number): string[] {
  return domains.flatMap((domain) => [domain, `${domain}:${port}`]);
}
