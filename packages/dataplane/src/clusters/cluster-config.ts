import { XebecError } from '@xebec/core';
import { upstreamExchangeProtocol } from '@xebec/filters';
import { optionalDurationMs } from '@xebec/matching';
import { Cluster_DiscoveryType, Cluster_LbPolicy, type Cluster as ClusterProto } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import type { BindConfig } from '@xebec/protos/envoy/config/core/v3/address';
import type {
  HttpProtocolOptions as CommonHttpOptions,
  Http1ProtocolOptions,
  Http2ProtocolOptions,
} from '@xebec/protos/envoy/config/core/v3/protocol';
import { ClusterConfigSchema as AggregateSchema } from '@xebec/protos/envoy/extensions/clusters/aggregate/v3/cluster';
import { DnsClusterSchema } from '@xebec/protos/envoy/extensions/clusters/dns/v3/dns_cluster';
import {
  type HttpProtocolOptions,
  HttpProtocolOptionsSchema,
} from '@xebec/protos/envoy/extensions/upstreams/http/v3/http_protocol_options';
import type { MetadataKey } from '@xebec/protos/envoy/type/metadata/v3/metadata';
import { typeNameOf, unpack } from '../config/unpack.ts';
import type { ClientCodecOptions, HttpProtocol } from '../http/codecs.ts';
import type { BalancingConfig } from './balancing-config.ts';
import { compileBalancing } from './balancing-policy.ts';
import { compileClientCodec } from './client-codec.ts';
import { compileDns, type DnsSettings } from './dns-settings.ts';
import { compileSourceAddresses, type SourceAddresses } from './source-addresses.ts';

export type Discovery = 'static' | 'strict-dns' | 'logical-dns' | 'eds' | 'original-dst' | 'aggregate';

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
  /** Connections that one host may have (`per_host_thresholds`). */
  readonly maxHostConnections: number;
  /** 0 is no limit. */
  readonly maxConnectionMs: number;
  readonly codec: ClientCodecOptions;
  /** Longest life of a stream, milliseconds; 0 is no limit. */
  readonly maxStreamMs: number;
  /** HTTP/1 trailers pass; without it they are dropped. */
  readonly http1Trailers: boolean;
  readonly autoSni: boolean;
  /** Its value is the SNI, if the request has it; in lower case. */
  readonly autoSniHeader: string | undefined;
  /** The upstream's certificate must be for the SNI. */
  readonly autoSanValidation: boolean;
  readonly balancing: BalancingConfig;
  readonly dns: DnsSettings;
  /** Addresses that upstream connections are made from. */
  readonly localAddress: SourceAddresses | undefined;
  /** ORIGINAL_DST: the header that overrides the destination, in lower case. */
  readonly destinationHeader: string | undefined;
  readonly destinationPort: number | undefined;
  /** ORIGINAL_DST: dynamic metadata that overrides the destination. */
  readonly destinationMetadata: { readonly namespace: string; readonly path: readonly string[] } | undefined;
  /** Of an aggregate: its members in order. */
  readonly members: readonly string[];
  /** TCP connections whose ALPN is this begin with who is at either end. */
  readonly exchangeProtocol: string | undefined;
  readonly cleanupIntervalMs: number;
  readonly metadata: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

const hour = 3_600_000;
const httpOptionsKey = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** Reads a cluster; `bindConfig` is the cluster manager's. Throws XebecError `E_CONFIG` naming the cluster and field. */
export function compileClusterConfig(proto: ClusterProto, bindConfig?: BindConfig): ClusterConfig {
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
    maxHostConnections: proto.circuitBreakers?.perHostThresholds[0]?.maxConnections ?? Number.POSITIVE_INFINITY,
    maxConnectionMs: optionalDurationMs(common?.maxConnectionDuration) ?? 0,
    codec: compileClientCodec(common, http1Options(proto, options), http2Options(proto, options), `cluster "${proto.name}"`),
    maxStreamMs: optionalDurationMs(common?.maxStreamDuration) ?? 0,
    http1Trailers: http1Options(proto, options)?.enableTrailers ?? false,
    autoSni: upstream?.autoSni ?? false,
    autoSniHeader:
      upstream === undefined || upstream.overrideAutoSniHeader === '' ? undefined : upstream.overrideAutoSniHeader.toLowerCase(),
    autoSanValidation: upstream?.autoSanValidation ?? false,
    balancing: compileBalancing(proto, where),
    dns: compileDns(proto, where),
    localAddress: compileSourceAddresses(proto.upstreamBindConfig ?? bindConfig),
    destinationHeader:
      original?.useHttpHeader === true
        ? original.httpHeaderName === ''
          ? 'x-envoy-original-dst-host'
          : original.httpHeaderName.toLowerCase()
        : undefined,
    destinationPort: original?.upstreamPortOverride,
    destinationMetadata: metadataKey(original?.metadataKey),
    members: membersOf(proto, where),
    exchangeProtocol: upstreamExchangeProtocol(proto.filters),
    cleanupIntervalMs: optionalDurationMs(proto.cleanupInterval) ?? 5_000,
    metadata: proto.metadata?.filterMetadata ?? {},
  };
}

function http2Options(proto: ClusterProto, options: HttpProtocolOptions | undefined): Http2ProtocolOptions | undefined {
  const kind = options?.upstreamProtocolOptions;
  switch (kind?.case) {
    case 'explicitHttpConfig':
      return kind.value.protocolConfig.case === 'http2ProtocolOptions' ? kind.value.protocolConfig.value : undefined;
    case 'useDownstreamProtocolConfig':
    case 'autoConfig':
      return kind.value.http2ProtocolOptions;
    default:
      return proto.http2ProtocolOptions;
  }
}

function http1Options(proto: ClusterProto, options: HttpProtocolOptions | undefined): Http1ProtocolOptions | undefined {
  const kind = options?.upstreamProtocolOptions;
  switch (kind?.case) {
    case 'explicitHttpConfig':
      return kind.value.protocolConfig.case === 'httpProtocolOptions' ? kind.value.protocolConfig.value : undefined;
    case 'useDownstreamProtocolConfig':
    case 'autoConfig':
      return kind.value.httpProtocolOptions;
    default:
      return proto.httpProtocolOptions;
  }
}

function metadataKey(key: MetadataKey | undefined): ClusterConfig['destinationMetadata'] {
  if (key === undefined) return undefined;
  return { namespace: key.key, path: key.path.flatMap(({ segment }) => (segment.case === 'key' ? [segment.value] : [])) };
}

/** Types that may also be named as extensions. */
const namedTypes: Readonly<Record<string, Discovery>> = {
  'envoy.cluster.static': 'static',
  'envoy.cluster.strict_dns': 'strict-dns',
  'envoy.cluster.logical_dns': 'logical-dns',
  'envoy.cluster.eds': 'eds',
  'envoy.cluster.original_dst': 'original-dst',
};

function discoveryOf(proto: ClusterProto, where: string): Discovery {
  const kind = proto.clusterDiscoveryType;
  if (kind.case === 'clusterType') {
    const { name, typedConfig } = kind.value;
    if (typedConfig !== undefined && typeNameOf(typedConfig) === DnsClusterSchema.typeName)
      return unpack(typedConfig, DnsClusterSchema, `${where}: cluster_type`).allAddressesInSingleEndpoint ? 'logical-dns' : 'strict-dns';
    if (typedConfig !== undefined && typeNameOf(typedConfig) === AggregateSchema.typeName) {
      if (proto.lbPolicy !== Cluster_LbPolicy.CLUSTER_PROVIDED)
        throw new XebecError(
          'E_CONFIG',
          `${where}: LB policy ${Cluster_LbPolicy[proto.lbPolicy]} is not valid for an aggregate. Only 'CLUSTER_PROVIDED' is allowed`,
        );
      return 'aggregate';
    }
    const known = namedTypes[name];
    if (known === undefined)
      throw new XebecError('E_CONFIG', `${where}: cluster type "${name}" is not supported; use static, EDS, DNS or original destination`);
    return known;
  }
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

function membersOf({ clusterDiscoveryType: kind }: ClusterProto, where: string): readonly string[] {
  const any = kind.case === 'clusterType' ? kind.value.typedConfig : undefined;
  return any !== undefined && typeNameOf(any) === AggregateSchema.typeName
    ? unpack(any, AggregateSchema, `${where}: cluster_type`).clusters
    : [];
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
