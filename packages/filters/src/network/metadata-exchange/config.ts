import { createRegistry, fromBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { MetadataExchangeSchema } from '@xebec/protos/istio/filters/metadata_exchange';
import { decodeConfig } from '../../decode.ts';
import type { NetworkFilter, NetworkFilterDefinition } from '../../network-filter.ts';
import { downstreamPeerKey } from '../../peer/workload-peer.ts';
import { resolveTypedConfig } from '../../typed-struct.ts';
import { exchangeParts, PeerExchange } from './exchange.ts';

const none: NetworkFilter = {};
const registry = createRegistry(MetadataExchangeSchema);

/**
 * `istio.metadata_exchange` on TCP: where ALPN has agreed on `protocol` (`istio-peer-exchange`), the sidecars at both ends tell each
 * other who they are before the connection's own bytes. The peer is left under `downstream_peer`. On other connections it does nothing.
 */
export const tcpMetadataExchangeDefinition: NetworkFilterDefinition = {
  name: 'istio.metadata_exchange',
  typeNames: [MetadataExchangeSchema.typeName],
  compile(bytes, _, { node, stats }) {
    const { protocol } = decodeConfig(MetadataExchangeSchema, bytes);
    const parts = exchangeParts(node, stats);
    return {
      create({ connection, info, write }) {
        if (protocol === '' || connection.tls?.alpn !== protocol) {
          parts.stats.notFound.add(1);
          return none;
        }
        const exchange = new PeerExchange(parts, info, downstreamPeerKey, (introduction) => write(introduction, false));
        return {
          onData: (data, endStream) => exchange.read(data, endStream),
          onWrite(data) {
            if (data.length > 0) exchange.introduce();
            return 'continue';
          },
        };
      },
    };
  },
};

/** The same as a filter of a cluster's connections: the protocol to speak with TCP upstreams, undefined where it is not asked for. */
export function upstreamExchangeProtocol(filters: readonly { readonly typedConfig?: Any | undefined }[]): string | undefined {
  for (const { typedConfig } of filters) {
    if (typedConfig === undefined) continue;
    const { typeName, value } = resolveTypedConfig(typedConfig, registry);
    if (typeName === MetadataExchangeSchema.typeName) return fromBinary(MetadataExchangeSchema, value).protocol || undefined;
  }
  return undefined;
}
