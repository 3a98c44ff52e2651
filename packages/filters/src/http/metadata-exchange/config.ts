import { type Config, ConfigSchema } from '@xebec/protos/istio/filters/peer_metadata';
import { decodeConfig } from '../../decode.ts';
import type { HttpFilterDefinition } from '../../http-filter.ts';
import { PeerDecoder } from '../../peer/peer-decoder.ts';
import { encodePeerMetadata } from '../../peer/workload-peer.ts';
import { type MetadataExchangeConfig, MetadataExchangeFilter } from './filter.ts';

const name = 'istio.metadata_exchange';

function compileConfig(config: Config): Omit<MetadataExchangeConfig, 'ownMetadata' | 'ownId' | 'peers'> {
  const discovers = (methods: Config['downstreamDiscovery']) => methods.some((method) => method.methodSpecifier.case === 'istioHeaders');
  const headers = (methods: Config['downstreamPropagation']) =>
    methods.map((method) => method.methodSpecifier).find((method) => method.case === 'istioHeaders')?.value;
  return {
    discoverDownstream: discovers(config.downstreamDiscovery),
    discoverUpstream: discovers(config.upstreamDiscovery),
    propagateDownstream: headers(config.downstreamPropagation) !== undefined,
    propagateUpstream: headers(config.upstreamPropagation) !== undefined,
    skipExternalClusters: headers(config.upstreamPropagation)?.skipExternalClusters ?? false,
  };
}

export const metadataExchangeDefinition: HttpFilterDefinition = {
  name,
  typeNames: [ConfigSchema.typeName],
  compile(bytes, _, context) {
    const config: MetadataExchangeConfig = {
      ...compileConfig(decodeConfig(ConfigSchema, bytes)),
      ownMetadata: encodePeerMetadata(context.node),
      ownId: context.node.id,
      peers: new PeerDecoder(),
    };
    return { create: (callbacks) => new MetadataExchangeFilter(config, callbacks) };
  },
};
