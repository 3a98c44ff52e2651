import type { Protocol } from '@xebec/model';
import { MongoProxySchema } from '@xebec/protos/envoy/extensions/filters/network/mongo_proxy/v3/mongo_proxy';
import { extension } from '../envoy/any.ts';
import type { NetworkFilter } from './connection-manager.ts';

/** The filter that understands a port's protocol and goes before the TCP proxy: only MongoDB's, as Istio has it by default. */
export function codecFilter(protocol: Protocol, statPrefix: string): NetworkFilter[] {
  return protocol === 'mongo' ? [extension('envoy.filters.network.mongo_proxy', MongoProxySchema, { statPrefix })] : [];
}
