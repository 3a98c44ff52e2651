import { allocatedAddresses, type MeshProxy, type Service, type SidecarScope } from '@xebec/model';
import type { VirtualHostSchema } from '@xebec/protos/envoy/config/route/v3/route_components';
import type { HttpRoute } from '@xebec/schemas';
import { outboundCluster, PASSTHROUGH } from '../cluster/names.ts';
import { isIpAddress } from '../envoy/address.ts';
import type { Fields } from '../envoy/any.ts';
import { ZERO } from '../envoy/duration.ts';
import { fits } from '../listener/wildcards.ts';
import type { ResolvedDestination } from '../virtual-service/destination.ts';
import { hashPolicies } from '../virtual-service/hash-policy.ts';
import type { Route } from '../virtual-service/http-routes.ts';
import { retryPolicy } from '../virtual-service/retry.ts';

export type VirtualHost = Fields<typeof VirtualHostSchema>;

/** The route of a service that no VirtualService rules. */
export function defaultRoute(to: ResolvedDestination, retries: HttpRoute['retries']): Route {
  const policy = retryPolicy(retries, false);
  return {
    name: 'default',
    match: { pathSpecifier: { case: 'prefix', value: '/' } },
    action: {
      case: 'route',
      value: {
        clusterSpecifier: { case: 'cluster', value: to.cluster },
        timeout: ZERO,
        maxGrpcTimeout: ZERO,
        ...(policy === undefined ? {} : { retryPolicy: policy }),
        hashPolicy: hashPolicies(to.consistentHash),
      },
    },
    decorator: { operation: `${to.hostname}:${to.port}/*` },
  };
}

/** Where requests go that no other virtual host takes: on to where they were going, or nowhere. */
export function catchAllHost(scope: SidecarScope, includeRequestAttemptCount: boolean, appendXForwardedHost = false): VirtualHost {
  const match = { pathSpecifier: { case: 'prefix' as const, value: '/' } };
  if (scope.outboundPolicy === 'REGISTRY_ONLY')
    return {
      name: 'block_all',
      domains: ['*'],
      routes: [{ name: 'block_all', match, action: { case: 'directResponse', value: { status: 502 } } }],
      includeRequestAttemptCount,
    };
  return {
    name: 'allow_any',
    domains: ['*'],
    routes: [
      {
        name: 'allow_any',
        match,
        action: {
          case: 'route',
          value: {
            clusterSpecifier: { case: 'cluster', value: unknownCluster(scope) },
            timeout: ZERO,
            maxGrpcTimeout: ZERO,
            appendXForwardedHost,
          },
        },
      },
    ],
    includeRequestAttemptCount,
  };
}

/** Where traffic to unknown hosts goes when it may: on to its own destination, or through the proxy that the Sidecar names. */
export function unknownCluster(scope: SidecarScope): string {
  const through = scope.sidecar?.spec.outboundTrafficPolicy?.egressProxy;
  return through === undefined ? PASSTHROUGH : outboundCluster(through.port?.number ?? 0, through.subset, through.host);
}

/**
 * The names under which a client knows a service: its full name with and without the final dot, the short forms that the
 * client's DNS search list would complete, and its addresses.
 */
export function serviceDomains(service: Service, proxy: Pick<MeshProxy, 'namespace' | 'addresses' | 'metadata'>, domain: string): string[] {
  const { hostname } = service;
  const names = dnsNames(hostname, proxy, domain);
  const subdomains = service.headless && service.registry === 'kubernetes' ? names.map((name) => `*.${name}`) : [];
  const reachable =
    service.registry === 'kubernetes'
      ? service.addresses.filter((address) => fits(address, proxy)).slice(0, 1)
      : service.addresses.length > 0
        ? service.addresses
        : allocatedAddresses(service, proxy).slice(0, 1);
  const addresses = reachable
    .filter((address) => address !== '0.0.0.0' && address !== '::')
    .map((address) => (address.includes(':') && isIpAddress(address) ? `[${address}]` : address));
  return [...names, ...addresses, ...subdomains];
}

/** A host by all names that its client's DNS search would complete. */
export function dnsNames(hostname: string, proxy: Pick<MeshProxy, 'namespace'>, domain: string): string[] {
  return isIpAddress(hostname) ? [hostname] : [hostname, `${hostname}.`, ...shortNames(hostname, proxy.namespace, domain)];
}

function shortNames(hostname: string, clientNamespace: string, domain: string): string[] {
  const suffix = `.svc.${domain}`;
  if (!hostname.endsWith(suffix)) return [];
  const local = hostname.slice(0, -suffix.length);
  const dot = local.lastIndexOf('.');
  if (dot < 0) return [];
  return local.slice(dot + 1) === clientNamespace ? [local.slice(0, dot), `${local}.svc`, local] : [local, `${local}.svc`];
}
