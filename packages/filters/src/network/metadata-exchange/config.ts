import { MetadataExchangeSchema } from '@xebec/protos/istio/filters/metadata_exchange';
import { decodeConfig } from '../../decode.ts';
import type { NetworkFilterDefinition } from '../../network-filter.ts';

/**
 * `istio.metadata_exchange` on TCP. Peers are known from their certificates and the control plane's endpoint metadata; the
 * in-band exchange of the ALPN `istio-peer-exchange` is accepted and not spoken, so bytes pass as they are.
 */
export const tcpMetadataExchangeDefinition: NetworkFilterDefinition = {
  name: 'istio.metadata_exchange',
  typeNames: [MetadataExchangeSchema.typeName],
  compile(bytes) {
    decodeConfig(MetadataExchangeSchema, bytes);
    return { create: () => ({}) };
  },
};
