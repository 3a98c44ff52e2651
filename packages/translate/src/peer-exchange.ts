import type { MeshProxy } from '@xebec/model';
import { MetadataExchangeSchema } from '@xebec/protos/istio/filters/metadata_exchange';
import { extension, typedExtension } from './envoy/any.ts';
import { METADATA_EXCHANGE } from './extensions.ts';

const PROTOCOL = 'istio-peer-exchange';
const config = { protocol: PROTOCOL, enableDiscovery: true };

/**
 * Whether a proxy tells its peers on TCP connections who it is. Others must never agree on the protocol: what the peer says of itself
 * would go to their applications.
 */
export function exchangesPeers(proxy: MeshProxy): boolean {
  return proxy.extensions.has(METADATA_EXCHANGE);
}

/** First of a chain's network filters, so that all others know the peer. */
export function exchangeFilters(proxy: MeshProxy) {
  return exchangesPeers(proxy) ? [extension(METADATA_EXCHANGE, MetadataExchangeSchema, config)] : [];
}

/** Filters of a cluster's connections. */
export function upstreamExchangeFilters(proxy: MeshProxy) {
  return exchangesPeers(proxy) ? [typedExtension(METADATA_EXCHANGE, MetadataExchangeSchema, config)] : [];
}

/** `protocols` of TLS around bytes between proxies of the mesh. */
export function withExchange(exchanges: boolean, protocols: readonly string[]): string[] {
  return exchanges ? [PROTOCOL, ...protocols] : [...protocols];
}
