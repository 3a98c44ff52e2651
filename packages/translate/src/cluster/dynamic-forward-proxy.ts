import type { MeshProxy, Service, ServicePort } from '@xebec/model';
import { Cluster_DnsLookupFamily, Cluster_LbPolicy, type ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { ClusterConfigSchema } from '@xebec/protos/envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster';
import { FilterConfigSchema as HttpForwardSchema } from '@xebec/protos/envoy/extensions/filters/http/dynamic_forward_proxy/v3/dynamic_forward_proxy';
import { FilterConfigSchema as SniForwardSchema } from '@xebec/protos/envoy/extensions/filters/network/sni_dynamic_forward_proxy/v3/sni_dynamic_forward_proxy';
import type { TrafficPolicy } from '@xebec/schemas';
import { extension, type Fields, pack } from '../envoy/any.ts';
import { families } from '../listener/wildcards.ts';

type ClusterInit = Fields<typeof ClusterSchema>;

const PROTOCOLS: ReadonlySet<string> = new Set(['http', 'http2', 'grpc', 'tls']);

/**
 * Whether the names of a wildcard host are resolved by the proxy, call by call. Envoy's forward proxy is not among what proxies of ours
 * execute: they, and what is not HTTP or TLS, go without.
 */
export function isForwarded(service: Service, proxy: Pick<MeshProxy, 'flavour'>): boolean {
  return service.dynamic === true && proxy.flavour === 'envoy';
}

export function isForwardedPort({ protocol }: Pick<ServicePort, 'protocol'>): boolean {
  return PROTOCOLS.has(protocol);
}

/** The names that all of a host's filters and clusters know together. */
function dnsCacheConfig(hostname: string, proxy: Pick<MeshProxy, 'addresses'>) {
  const { v4, v6 } = families(proxy);
  return {
    name: `${hostname}_dfp_dns_cache`,
    dnsLookupFamily: v6 && !v4 ? Cluster_DnsLookupFamily.V6_ONLY : Cluster_DnsLookupFamily.V4_ONLY,
  };
}

/**
 * What makes a cluster one of whatever names are called. Where HTTP options (`hasOptions`) say nothing of server names, Envoy wants to be told
 * that this is meant.
 */
export function forwardCluster(
  hostname: string,
  proxy: Pick<MeshProxy, 'addresses'>,
  { tls }: TrafficPolicy,
  hasOptions: boolean,
): ClusterInit {
  const originates = tls?.mode === 'SIMPLE' || tls?.mode === 'MUTUAL';
  const insecure = originates ? tls?.insecureSkipVerify === true || (tls?.sni ?? '') !== '' : hasOptions;
  return {
    clusterDiscoveryType: {
      case: 'clusterType',
      value: {
        name: 'envoy.clusters.dynamic_forward_proxy',
        typedConfig: pack(ClusterConfigSchema, {
          clusterImplementationSpecifier: { case: 'dnsCacheConfig', value: dnsCacheConfig(hostname, proxy) },
          ...(insecure ? { allowInsecureClusterOptions: true } : {}),
        }),
      },
    },
    lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
  };
}

/** Resolves the host of a request before the router connects. */
export function httpForwardFilter(hostname: string, proxy: Pick<MeshProxy, 'addresses'>) {
  return extension('envoy.filters.http.dynamic_forward_proxy', HttpForwardSchema, {
    implementationSpecifier: { case: 'dnsCacheConfig', value: dnsCacheConfig(hostname, proxy) },
  });
}

/** Resolves the server name of a TLS connection. */
export function sniForwardFilter(hostname: string, port: number, proxy: Pick<MeshProxy, 'addresses'>) {
  return extension('envoy.extensions.filters.network.sni_dynamic_forward_proxy', SniForwardSchema, {
    dnsCacheConfig: dnsCacheConfig(hostname, proxy),
    portSpecifier: { case: 'portValue', value: port },
  });
}
