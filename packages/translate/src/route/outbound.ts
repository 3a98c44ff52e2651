import { create } from '@bufbuild/protobuf';
import {
  isHttp,
  MESH_GATEWAY,
  type MeshProxy,
  type MeshSnapshot,
  type Service,
  type ServicePort,
  sidecarScope,
  type VirtualService,
  virtualServiceHosts,
  virtualServiceLookup,
} from '@xebec/model';
import { type RouteConfiguration, RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import { type ConfigReference, type Generated, referenceTo } from '../generated.ts';
import { resolveDelegates } from '../virtual-service/delegate.ts';
import { destinationResolver } from '../virtual-service/destination.ts';
import { httpRoutes } from '../virtual-service/http-routes.ts';
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
}

/** What the name of a sidecar's route configuration stands for; undefined when it is not one. */
export function parseRouteName(name: string): RouteTarget | undefined {
  if (name === HTTP_PROXY_ROUTE) return { port: 0 };
  if (/^\d+$/.test(name)) return { port: Number(name) };
  const colon = name.lastIndexOf(':');
  const port = Number(name.slice(colon + 1));
  return colon > 0 && Number.isInteger(port) && port > 0 ? { port, hostname: name.slice(0, colon) } : undefined;
}

/** The routes of a sidecar's outbound port: a virtual host for each service, and one for the rest. */
export function outboundRoute(snapshot: MeshSnapshot, proxy: MeshProxy, name: string, target: RouteTarget): Generated<RouteConfiguration> {
  const scope = sidecarScope(snapshot, proxy);
  const anyPort = target.port === 0;
  // Proxyless gRPC compares the host with its port, and knows no way to ignore it.
  const grpc = proxy.flavour === 'grpc';
  const portInHost = anyPort || grpc;
  const egress = scope.egress.find((entry) => entry.port?.number === target.port) ?? scope.egress.find((entry) => entry.port === undefined);
  const services = (egress ?? scope).services.filter((service) => target.hostname === undefined || service.hostname === target.hostname);
  const rules = (egress ?? scope).virtualServices.filter((config) => config.spec.http !== undefined);
  const ruleOf = virtualServiceLookup(rules, snapshot.domain);
  const hosts: VirtualHost[] = [];
  const references = new Map<string, ConfigReference>();
  const taken = new Set<string>();
  const placed = new Set<VirtualService>();
  const add = (host: string, port: number, domains: readonly string[], rule: VirtualService | undefined) => {
    const free = (portInHost ? withPort(domains, port) : domains).filter((name) => !taken.has(name));
    if (free.length === 0) return;
    const resolve = destinationResolver(snapshot, proxy, scope, port, !anyPort);
    const site = { proxy, gateways: new Set([MESH_GATEWAY]), ports: [port], listenerPort: port, resolve };
    const routes =
      rule === undefined
        ? [defaultRoute(resolve({ host, port: { number: port } }, ''))]
        : httpRoutes(resolveDelegates(snapshot, rule), site).map((output) => output.route);
    // A rule none of whose routes can hold here leaves a host without routes: 404, as it says.
    for (const name of free) taken.add(name);
    if (rule !== undefined) {
      placed.add(rule);
      references.set(`${rule.metadata.namespace}/${rule.metadata.name}`, referenceTo(rule));
    }
    hosts.push({ name: `${host}:${port}`, domains: free, routes, includeRequestAttemptCount: true });
  };
  for (const { service, port } of httpPorts(services, target.port)) {
    const rule = ruleOf(service.hostname);
    add(service.hostname, port.number, serviceDomains(service, proxy, snapshot.domain), rule);
  }
  if (target.hostname === undefined) {
    // Hosts that only a VirtualService knows: beside the services it also rules, else on port 80.
    const known = new Set(httpPorts(services, target.port).map(({ service }) => service.hostname));
    for (const rule of rules) {
      const port = placed.has(rule) && !anyPort ? target.port : 80;
      if (!anyPort && port !== target.port) continue;
      for (const host of virtualServiceHosts(rule, snapshot.domain)) {
        if (known.has(host) || (host.startsWith('*') && placed.has(rule))) continue;
        add(host, port, [host], rule);
      }
    }
  }
  hosts.sort((a, b) => ((a.name ?? '') < (b.name ?? '') ? -1 : 1));
  const message = create(RouteConfigurationSchema, {
    name,
    virtualHosts: grpc ? hosts : [...hosts, catchAllHost(scope.outboundPolicy)],
    validateClusters: false,
    maxDirectResponseBodySizeBytes: MAX_DIRECT_RESPONSE,
    ignorePortInHostMatching: !portInHost,
  });
  return { name, message, provenance: [...references.values()] };
}

interface HttpPort {
  readonly service: Service;
  readonly port: ServicePort;
}

function httpPorts(services: readonly Service[], port: number): HttpPort[] {
  return services.flatMap((service) =>
    service.ports
      .filter((candidate) => (port === 0 || candidate.number === port) && (isHttp(candidate.protocol) || candidate.protocol === 'auto'))
      .map((candidate) => ({ service, port: candidate })),
  );
}

/** `host:port`, and the bare name where clients leave the port out because it is the default. */
function withPort(domains: readonly string[], port: number): string[] {
  const named = domains.map((domain) => `${domain}:${port}`);
  return port === 80 ? [...domains, ...named] : named;
}
