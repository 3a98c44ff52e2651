import { optionalDurationMs } from '@xebec/matching';
import { type Cluster as ClusterProto, Cluster_DnsLookupFamily as Family } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import type { Address } from '@xebec/protos/envoy/config/core/v3/address';
import type { TypedExtensionConfig } from '@xebec/protos/envoy/config/core/v3/extension';
import { DnsClusterSchema } from '@xebec/protos/envoy/extensions/clusters/dns/v3/dns_cluster';
import { CaresDnsResolverConfigSchema } from '@xebec/protos/envoy/extensions/network/dns_resolver/cares/v3/cares_dns_resolver';
import { typeNameOf, unpack } from '../config/unpack.ts';
import { addressText, endpointAddress } from '../net/endpoint-address.ts';

/** How a cluster's names are resolved. */
export interface DnsSettings {
  readonly family: Family;
  readonly refreshMs: number;
  readonly jitterMs: number;
  readonly failureRefresh: { readonly baseMs: number; readonly maxMs: number } | undefined;
  readonly respectTtl: boolean;
  /** `address:port`; empty: as the system is configured. */
  readonly servers: readonly string[];
}

/** Configured servers, newest field first. The kinds of resolvers that are no c-ares have none, and are the system's here. */
function resolversOf(typed: TypedExtensionConfig | undefined, proto: ClusterProto, where: string): readonly Address[] {
  const any = typed?.typedConfig;
  if (any !== undefined && typeNameOf(any) === CaresDnsResolverConfigSchema.typeName)
    return unpack(any, CaresDnsResolverConfigSchema, `${where}: typed_dns_resolver_config`).resolvers;
  return proto.dnsResolutionConfig?.resolvers ?? proto.dnsResolvers;
}

/** Of the cluster, or of `envoy.extensions.clusters.dns.v3.DnsCluster`. Throws XebecError `E_CONFIG`. */
export function compileDns(proto: ClusterProto, where: string): DnsSettings {
  const kind = proto.clusterDiscoveryType;
  const any = kind.case === 'clusterType' ? kind.value.typedConfig : undefined;
  const config =
    any !== undefined && typeNameOf(any) === DnsClusterSchema.typeName
      ? unpack(any, DnsClusterSchema, `${where}: cluster_type`)
      : undefined;
  const { dnsRefreshRate, dnsFailureRefreshRate, respectDnsTtl, dnsJitter } = config ?? proto;
  const baseMs = optionalDurationMs(dnsFailureRefreshRate?.baseInterval);
  // The extension's families have an unspecified one before the others.
  const family = config === undefined ? proto.dnsLookupFamily : Math.max(0, config.dnsLookupFamily - 1);
  const resolvers = resolversOf(config?.typedDnsResolverConfig ?? proto.typedDnsResolverConfig, proto, where);
  return {
    family: family in Family ? family : Family.AUTO,
    refreshMs: Math.max(1, optionalDurationMs(dnsRefreshRate) ?? 5_000),
    jitterMs: optionalDurationMs(dnsJitter) ?? 0,
    failureRefresh:
      baseMs === undefined ? undefined : { baseMs, maxMs: optionalDurationMs(dnsFailureRefreshRate?.maxInterval) ?? baseMs * 10 },
    respectTtl: respectDnsTtl,
    servers: resolvers.map((address) => addressText(endpointAddress(address, `${where}: dns_resolvers`))),
  };
}
