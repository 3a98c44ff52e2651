import { createHash } from 'node:crypto';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { StringValueSchema } from '@bufbuild/protobuf/wkt';
import { XebecError } from '@xebec/core';
import { type ConnectionTraits, compileMatcherTree, FilterChainMatcher, optionalDurationMs } from '@xebec/matching';
import type { Address } from '@xebec/protos/envoy/config/core/v3/address';
import { TrafficDirection } from '@xebec/protos/envoy/config/core/v3/base';
import type { SocketOption } from '@xebec/protos/envoy/config/core/v3/socket_option';
import {
  Listener_DrainType as DrainType,
  type Listener as ListenerProto,
  ListenerSchema,
} from '@xebec/protos/envoy/config/listener/v3/listener';
import { type FilterChain, FilterChainSchema } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import type { ConnectionInfo } from '@xebec/telemetry';
import { addressText, type EndpointAddress, endpointAddress } from '../net/endpoint-address.ts';
import { compileNetworkChain, type NetworkEnvironment } from '../network/network-filters.ts';
import type { NetworkChain } from '../network/terminal.ts';
import type { AccessLogWriter } from '../runtime/access-log-writer.ts';
import type { TapHub } from '../tap/tap-hub.ts';
import type { SecretStore } from '../tls/secret-store.ts';
import { compileDownstreamTls, type DownstreamTls } from './downstream-tls.ts';
import { compileListenerFilters, type ListenerFilters } from './inspection.ts';
import type { SocketRequest } from './listening-socket.ts';

/** One filter chain, ready to take connections. */
export interface CompiledChain {
  readonly name: string;
  /** The same for the same configuration: an update keeps chains that did not change, and their connections. */
  readonly digest: string;
  readonly tls: DownstreamTls | undefined;
  /** `filter_metadata`. */
  readonly metadata: Readonly<Record<string, unknown>> | undefined;
  readonly network: NetworkChain;
}

/** A listener's configuration, compiled. */
export interface CompiledListener {
  readonly name: string;
  readonly proto: ListenerProto;
  /** Everything but the filter chains: an update that keeps it is done in place. */
  readonly frameDigest: string;
  readonly address: EndpointAddress;
  /** The address and the additional ones. */
  readonly sockets: readonly SocketRequest[];
  readonly bindToPort: boolean;
  readonly useOriginalDst: boolean;
  /** A failed health check of this server does not drain it. */
  readonly modifyOnly: boolean;
  readonly backlog: number | undefined;
  readonly direction: ConnectionInfo['direction'];
  readonly filters: ListenerFilters;
  /** 0 waits for ever. */
  readonly filtersTimeoutMs: number;
  readonly continueOnTimeout: boolean;
  readonly chains: { find(traits: ConnectionTraits): CompiledChain | undefined };
  readonly allChains: readonly CompiledChain[];
  readonly accessLogs: readonly AccessLogWriter[];
  readonly tap: TapHub;
}

const directions: Partial<Record<TrafficDirection, ConnectionInfo['direction']>> = {
  [TrafficDirection.INBOUND]: 'inbound',
  [TrafficDirection.OUTBOUND]: 'outbound',
};

const defaultBufferBytes = 1024 * 1024;

/** Compiles a listener; throws XebecError `E_CONFIG` naming listener, chain and filter. Unchanged chains of `before` are taken over. */
export function compileListener(
  proto: ListenerProto,
  environment: NetworkEnvironment,
  secrets: SecretStore,
  before?: CompiledListener,
): CompiledListener {
  const where = `listener "${proto.name}"`;
  if (proto.listenerSpecifier.case !== undefined || proto.udpListenerConfig !== undefined || proto.apiListener !== undefined) {
    throw new XebecError('E_CONFIG', `${where}: only TCP listeners are supported`);
  }
  const direction = directions[proto.trafficDirection] ?? 'unspecified';
  const bufferLimitBytes = proto.perConnectionBufferLimitBytes ?? defaultBufferBytes;
  const statName = listenerStatName(proto, endpointAddress(proto.address, where));
  const frameDigest = digest(
    toBinary(ListenerSchema, create(ListenerSchema, { ...proto, filterChains: [], defaultFilterChain: undefined })),
  );
  const kept = new Map(before?.frameDigest === frameDigest ? before.allChains.map((old) => [old.digest, old]) : []);
  const chain = (config: FilterChain, index: number | string): CompiledChain => {
    const chainDigest = digest(toBinary(FilterChainSchema, config));
    const old = kept.get(chainDigest);
    if (old !== undefined) {
      // Two equal chains are two chains.
      kept.delete(chainDigest);
      return old;
    }
    const chainWhere = `${where} filter chain ${config.name === '' ? index : `"${config.name}"`}`;
    return {
      name: config.name,
      digest: chainDigest,
      metadata: config.metadata?.filterMetadata,
      tls: compileDownstreamTls(config.transportSocket, secrets, `${chainWhere}: transport_socket`),
      network: compileNetworkChain(config.filters, { where: chainWhere, direction, bufferLimitBytes, statName }, environment),
    };
  };
  const chains = proto.filterChains.map((config, index) => ({ match: config.filterChainMatch, value: chain(config, index) }));
  const fallback = proto.defaultFilterChain === undefined ? undefined : chain(proto.defaultFilterChain, 'default');
  if (chains.length === 0 && fallback === undefined) throw new XebecError('E_CONFIG', `${where}: no filter chains specified`);
  const allChains = [...chains.map(({ value }) => value), ...(fallback === undefined ? [] : [fallback])];
  return {
    name: proto.name,
    proto,
    frameDigest,
    address: endpointAddress(proto.address, where),
    sockets: socketRequests(proto, where),
    bindToPort: proto.bindToPort ?? proto.deprecatedV1?.bindToPort ?? true,
    useOriginalDst: proto.useOriginalDst ?? false,
    modifyOnly: proto.drainType === DrainType.MODIFY_ONLY,
    backlog: proto.tcpBacklogSize,
    direction,
    filters: compileListenerFilters(proto.listenerFilters, environment.stats, where),
    filtersTimeoutMs: optionalDurationMs(proto.listenerFiltersTimeout) ?? 15_000,
    continueOnTimeout: proto.continueOnListenerFiltersTimeout,
    chains: proto.filterChainMatcher === undefined ? new FilterChainMatcher(chains, fallback) : chainTree(proto, chains, fallback, where),
    allChains,
    accessLogs: environment.accessLogs.compile(proto.accessLog),
    tap: environment.tap,
  };
}

/** Chooses by `filter_chain_matcher`, whose actions name chains. A name that no chain has is no match. */
function chainTree(
  proto: ListenerProto,
  chains: readonly { readonly value: CompiledChain }[],
  fallback: CompiledChain | undefined,
  where: string,
): CompiledListener['chains'] {
  if (proto.filterChainMatcher === undefined) return { find: () => fallback };
  const byName = new Map<string, CompiledChain>();
  for (const { value } of chains) {
    if (value.name === '')
      throw new XebecError('E_CONFIG', `error adding ${where}: "name" field is required when using a listener matcher`);
    if (byName.has(value.name))
      throw new XebecError('E_CONFIG', `error adding ${where}: "name" field is duplicated with value '${value.name}'`);
    byName.set(value.name, value);
  }
  const tree = compileMatcherTree(proto.filterChainMatcher, 'filter-chain', ({ name, typedConfig }): { readonly chain: string } => {
    if (typedConfig?.typeUrl.endsWith('/google.protobuf.StringValue'))
      return { chain: fromBinary(StringValueSchema, typedConfig.value).value };
    throw new XebecError('E_CONFIG', `${where}: filter_chain_matcher action "${name}" is not supported; use google.protobuf.StringValue`);
  });
  return {
    find(traits) {
      const found = tree({ traits });
      return found === undefined ? fallback : byName.get(found.chain);
    },
  };
}

/** One socket for the address and one for each additional address. */
function socketRequests(proto: ListenerProto, where: string): SocketRequest[] {
  const request = (address: EndpointAddress, ipv4Compat: boolean, options: readonly SocketOption[]): SocketRequest => ({
    address,
    reusePort: address.kind === 'tcp' && (proto.enableReusePort ?? true),
    transparent: proto.transparent ?? false,
    freebind: proto.freebind ?? false,
    ipv4Compat,
    options,
  });
  const compat = (address: Address | undefined): boolean => address?.address.case === 'socketAddress' && address.address.value.ipv4Compat;
  return [
    request(endpointAddress(proto.address, where), compat(proto.address), proto.socketOptions),
    ...proto.additionalAddresses.map((more) =>
      request(
        endpointAddress(more.address, `${where}: additional_addresses`),
        compat(more.address),
        more.socketOptions?.socketOptions ?? proto.socketOptions,
      ),
    ),
  ];
}

/** How a listener is called in statistics. */
export function listenerStatName(proto: ListenerProto, address: EndpointAddress): string {
  return proto.statPrefix === '' ? addressText(address).replaceAll(':', '_') : proto.statPrefix;
}

function digest(bytes: Uint8Array): string {
  return createHash('sha1').update(bytes).digest('base64');
}

/** Ends what the listener subscribed to; chains in `kept` go on in its successor. */
export function closeCompiledListener(listener: CompiledListener, kept: ReadonlySet<CompiledChain> = new Set()): void {
  for (const chain of listener.allChains) if (!kept.has(chain)) closeChain(chain);
}

export function closeChain(chain: CompiledChain): void {
  chain.network.close();
  chain.tls?.context.close();
}
