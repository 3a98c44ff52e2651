import { XebecError } from '@xebec/core';
import { optionalDurationMs } from '@xebec/matching';
import { TrafficDirection } from '@xebec/protos/envoy/config/core/v3/base';
import type { Listener as ListenerProto } from '@xebec/protos/envoy/config/listener/v3/listener';
import type { FilterChain } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import type { ConnectionInfo } from '@xebec/telemetry';
import { type EndpointAddress, endpointAddress } from '../net/endpoint-address.ts';
import { compileNetworkChain, type NetworkEnvironment } from '../network/network-filters.ts';
import type { NetworkChain } from '../network/terminal.ts';
import type { AccessLogWriter } from '../runtime/access-logs.ts';
import type { SecretStore } from '../tls/secret-store.ts';
import { compileDownstreamTls, type DownstreamTls } from './downstream-tls.ts';
import { FilterChainMatcher } from './filter-chain-match.ts';
import { compileListenerFilters, type ListenerFilters } from './inspection.ts';

/** One filter chain, ready to take connections. */
export interface CompiledChain {
  readonly name: string;
  readonly tls: DownstreamTls | undefined;
  readonly network: NetworkChain;
}

/** A listener's configuration, compiled. */
export interface CompiledListener {
  readonly name: string;
  readonly proto: ListenerProto;
  readonly address: EndpointAddress;
  readonly bindToPort: boolean;
  readonly useOriginalDst: boolean;
  readonly reusePort: boolean;
  readonly backlog: number | undefined;
  readonly direction: ConnectionInfo['direction'];
  readonly filters: ListenerFilters;
  /** 0 waits for ever. */
  readonly filtersTimeoutMs: number;
  readonly continueOnTimeout: boolean;
  readonly chains: FilterChainMatcher<CompiledChain>;
  readonly allChains: readonly CompiledChain[];
  readonly accessLogs: readonly AccessLogWriter[];
}

const directions: Partial<Record<TrafficDirection, ConnectionInfo['direction']>> = {
  [TrafficDirection.INBOUND]: 'inbound',
  [TrafficDirection.OUTBOUND]: 'outbound',
};

const defaultBufferBytes = 1024 * 1024;

/** Compiles a listener; throws XebecError `E_CONFIG` naming listener, chain and filter. */
export function compileListener(proto: ListenerProto, environment: NetworkEnvironment, secrets: SecretStore): CompiledListener {
  const where = `listener "${proto.name}"`;
  if (proto.listenerSpecifier.case !== undefined || proto.udpListenerConfig !== undefined || proto.apiListener !== undefined) {
    throw new XebecError('E_CONFIG', `${where}: only TCP listeners are supported`);
  }
  const direction = directions[proto.trafficDirection] ?? 'unspecified';
  const bufferLimitBytes = proto.perConnectionBufferLimitBytes ?? defaultBufferBytes;
  const chain = (config: FilterChain, index: number | string): CompiledChain => {
    const chainWhere = `${where} filter chain ${config.name === '' ? index : `"${config.name}"`}`;
    return {
      name: config.name,
      tls: compileDownstreamTls(config.transportSocket, secrets, `${chainWhere}: transport_socket`),
      network: compileNetworkChain(config.filters, { where: chainWhere, direction, bufferLimitBytes }, environment),
    };
  };
  const chains = proto.filterChains.map((config, index) => ({ match: config.filterChainMatch, value: chain(config, index) }));
  const fallback = proto.defaultFilterChain === undefined ? undefined : chain(proto.defaultFilterChain, 'default');
  if (chains.length === 0 && fallback === undefined) throw new XebecError('E_CONFIG', `${where}: no filter chains specified`);
  const allChains = [...chains.map(({ value }) => value), ...(fallback === undefined ? [] : [fallback])];
  return {
    name: proto.name,
    proto,
    address: endpointAddress(proto.address, where),
    bindToPort: proto.bindToPort ?? proto.deprecatedV1?.bindToPort ?? true,
    useOriginalDst: proto.useOriginalDst ?? false,
    reusePort: proto.enableReusePort ?? true,
    backlog: proto.tcpBacklogSize,
    direction,
    filters: compileListenerFilters(
      proto.listenerFilters,
      {
        matches: proto.filterChains.map((entry) => entry.filterChainMatch),
        endsTls: allChains.some(({ tls }) => tls !== undefined),
      },
      environment.stats,
      where,
    ),
    filtersTimeoutMs: optionalDurationMs(proto.listenerFiltersTimeout) ?? 15_000,
    continueOnTimeout: proto.continueOnListenerFiltersTimeout,
    chains: new FilterChainMatcher(chains, fallback),
    allChains,
    accessLogs: environment.accessLogs.compile(proto.accessLog),
  };
}

/** Ends what the listener subscribed to. */
export function closeCompiledListener(listener: CompiledListener): void {
  for (const chain of listener.allChains) {
    chain.network.close();
    chain.tls?.context.close();
  }
}
