import { XebecError } from '@xebec/core';
import { durationMs, optionalDurationMs } from '@xebec/matching';
import {
  Cluster_DiscoveryType,
  Cluster_DnsLookupFamily,
  type Cluster as ClusterProto,
} from '@xebec/protos/envoy/config/cluster/v3/cluster';
import type { HttpProtocolOptions as CommonHttpOptions } from '@xebec/protos/envoy/config/core/v3/protocol';
import {
  type HttpProtocolOptions,
  HttpProtocolOptionsSchema,
} from '@xebec/protos/envoy/extensions/upstreams/http/v3/http_protocol_options';
import { unpack } from '../config/unpack.ts';
import type { HttpProtocol } from '../http/codecs.ts';
import { type BalancingConfig, compileBalancing } from './balancing-policy.ts';

export type Discovery = 'static' | 'strict-dns' | 'logical-dns' | 'eds' | 'original-dst';

/** A cluster's settings in the form the request path wants. */
export interface ClusterConfig {
  readonly name: string;
  readonly statName: string;
  readonly proto: ClusterProto;
  readonly discovery: Discovery;
  readonly connectTimeoutMs: number;
  /** `downstream`: as the client speaks; `auto`: as ALPN agrees. */
  readonly protocol: HttpProtocol | 'downstream' | 'auto';
  readonly maxRequestsPerConnection: number;
  readonly idleTimeoutMs: number;
  readonly autoSni: boolean;
  readonly balancing: BalancingConfig;
  readonly dnsFamily: 0 | 4 | 6;
  readonly dnsRefreshMs: number;
  /** Address that upstream connections are made from. */
  readonly localAddress: string | undefined;
  /** ORIGINAL_DST: the header that overrides the destination, in lower case. */
  readonly destinationHeader: string | undefined;
  readonly destinationPort: number | undefined;
  readonly cleanupIntervalMs: number;
  readonly metadata: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

const hour = 3_600_000;
const httpOptionsKey = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** Reads a cluster; throws XebecError `E_CONFIG` naming the cluster and field. */
export function compileClusterConfig(proto: ClusterProto): ClusterConfig {
  const where = `cluster "${proto.name}"`;
  if (proto.name === '') throw new XebecError('E_CONFIG', 'cluster: name is missing');
  const optionsAny = proto.typedExtensionProtocolOptions[httpOptionsKey];
  const options =
    optionsAny === undefined ? undefined : unpack(optionsAny, HttpProtocolOptionsSchema, `${where}: typed_extension_protocol_options`);
  const common: CommonHttpOptions | undefined = options?.commonHttpProtocolOptions ?? proto.commonHttpProtocolOptions;
  const original = proto.lbConfig.case === 'originalDstLbConfig' ? proto.lbConfig.value : undefined;
  const upstream = options?.upstreamHttpProtocolOptions ?? proto.upstreamHttpProtocolOptions;
  return {
    name: proto.name,
    statName: (proto.altStatName === '' ? proto.name : proto.altStatName).replace(/;$/, ''),
    proto,
    discovery: discoveryOf(proto, where),
    connectTimeoutMs: optionalDurationMs(proto.connectTimeout) ?? 5_000,
    protocol: protocolOf(proto, options),
    maxRequestsPerConnection: common?.maxRequestsPerConnection ?? proto.maxRequestsPerConnection ?? 0,
    idleTimeoutMs: optionalDurationMs(common?.idleTimeout) ?? hour,
    autoSni: upstream?.autoSni ?? false,
    balancing: compileBalancing(proto, where),
    dnsFamily: familyOf(proto.dnsLookupFamily),
    dnsRefreshMs: proto.dnsRefreshRate === undefined ? 5_000 : Math.max(1, durationMs(proto.dnsRefreshRate)),
    localAddress: proto.upstreamBindConfig?.sourceAddress?.address,
    destinationHeader:
      original?.useHttpHeader === true
        ? original.httpHeaderName === ''
          ? 'x-envoy-original-dst-host'
          : original.httpHeaderName.toLowerCase()
        : undefined,
    destinationPort: original?.upstreamPortOverride,
    cleanupIntervalMs: optionalDurationMs(proto.cleanupInterval) ?? 5_000,
    metadata: proto.metadata?.filterMetadata ?? {},
  };
}

function discoveryOf(proto: ClusterProto, where: string): Discovery {
  const kind = proto.clusterDiscoveryType;
  if (kind.case === 'clusterType') throw new XebecError('E_CONFIG', `${where}: cluster type "${kind.value.name}" is not supported`);
  switch (kind.value) {
    case Cluster_DiscoveryType.EDS:
      return 'eds';
    case Cluster_DiscoveryType.STRICT_DNS:
      return 'strict-dns';
    case Cluster_DiscoveryType.LOGICAL_DNS:
      return 'logical-dns';
    case Cluster_DiscoveryType.ORIGINAL_DST:
      return 'original-dst';
    default:
      return 'static';
  }
}

function protocolOf(proto: ClusterProto, options: HttpProtocolOptions | undefined): ClusterConfig['protocol'] {
  const kind = options?.upstreamProtocolOptions;
  switch (kind?.case) {
    case 'explicitHttpConfig':
      return kind.value.protocolConfig.case === 'http2ProtocolOptions' ? 'http2' : 'http1';
    case 'useDownstreamProtocolConfig':
      return 'downstream';
    case 'autoConfig':
      return 'auto';
    default:
      return proto.http2ProtocolOptions === undefined ? 'http1' : 'http2';
  }
}

function familyOf(family: Cluster_DnsLookupFamily): 0 | 4 | 6 {
  if (family === Cluster_DnsLookupFamily.V4_ONLY) return 4;
  return family === Cluster_DnsLookupFamily.V6_ONLY ? 6 : 0;
}
