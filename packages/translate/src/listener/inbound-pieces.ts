import { create, toBinary } from '@bufbuild/protobuf';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';
import { query } from '@xebec/incremental';
import { isHttp2, type MeshProxy, type MeshSnapshot, type Protocol } from '@xebec/model';
import { type TransportSocket, TransportSocketSchema } from '@xebec/protos/envoy/config/core/v3/base';
import { type Filter, FilterSchema } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import { HttpConnectionManagerSchema } from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import type { Fields } from '../envoy/any.ts';
import { exchangeFilters, exchangesPeers, withExchange } from '../peer-exchange.ts';
import { codecFilter } from './codec-filter.ts';
import { managerFields, type NetworkFilter } from './connection-manager.ts';
import { listenerContext } from './context.ts';
import { inboundTls } from './downstream-tls.ts';
import { idleOption, tcpProxy } from './tcp-proxy.ts';

/**
 * What inbound filter chains are put together from. Each piece is made once for all proxies and services that have it alike, since they
 * differ in little more than names: of a thousand sidecars the greater part of the inbound listener is the same.
 */
type Manager = Fields<typeof HttpConnectionManagerSchema>;

/** What stands before the connection manager, and the manager but for its route and the prefix of its numbers. */
export interface HttpPieces {
  readonly before: readonly Filter[];
  readonly manager: Uint8Array;
}

/** `port` is where the workload listens; 0: any. */
export const httpPieces = query(
  'inbound HTTP pieces',
  (snapshot: MeshSnapshot, proxy: MeshProxy, protocol: Protocol, port: number): HttpPieces => {
    const context = listenerContext(snapshot, proxy);
    const { inbound } = context;
    const fields = managerFields({
      direction: 'inbound',
      filters: inbound.httpFilters(protocol, port),
      side: inbound,
      pathNormalization: context.pathNormalization,
      http2: isHttp2(protocol),
    });
    return {
      before: [...exchangeFilters(proxy), ...inbound.networkExtensions(port)].map(finished),
      manager: toBinary(HttpConnectionManagerSchema, create(HttpConnectionManagerSchema, fields)),
    };
  },
);

/** The connection manager of a chain: bytes of two parts of a message, one after the other, are those of the whole (protobuf, "Encoding"). */
export function completeManager({ manager }: HttpPieces, own: Pick<Manager, 'statPrefix' | 'routeSpecifier'>): Filter {
  const first = toBinary(HttpConnectionManagerSchema, create(HttpConnectionManagerSchema, own));
  const value = new Uint8Array(first.length + manager.length);
  value.set(first);
  value.set(manager, first.length);
  const packed: Any = create(AnySchema, { typeUrl: `type.googleapis.com/${HttpConnectionManagerSchema.typeName}`, value });
  return create(FilterSchema, {
    name: 'envoy.filters.network.http_connection_manager',
    configType: { case: 'typedConfig', value: packed },
  });
}

/** All filters of a chain that passes bytes on to a cluster; `port` is that of the service. */
export const tcpPieces = query(
  'inbound TCP pieces',
  (snapshot: MeshSnapshot, proxy: MeshProxy, protocol: Protocol, port: number, cluster: string): readonly Filter[] => {
    const context = listenerContext(snapshot, proxy);
    const { inbound } = context;
    const end = tcpProxy([{ cluster, weight: 1 }], inbound.tcpAccessLog, idleOption(inbound));
    return [...exchangeFilters(proxy), ...inbound.tcpFilters(port), ...codecFilter(protocol, cluster), end].map(finished);
  },
);

/** The mesh's own TLS, and what may be inside it. */
export const mutualTlsSocket = query('inbound TLS', (snapshot: MeshSnapshot, proxy: MeshProxy, inside: 'http' | 'tcp'): TransportSocket => {
  const alpn = withExchange(inside === 'tcp' && exchangesPeers(proxy), ['h2', 'http/1.1']);
  return create(TransportSocketSchema, inboundTls(listenerContext(snapshot, proxy).mutualTls, alpn));
});

export function finished(filter: NetworkFilter): Filter {
  return create(FilterSchema, filter);
}
