import { bootstrapClusters } from './clusters.ts';
import type { BootstrapInput } from './input.ts';
import { agentListeners } from './listeners.ts';
import { statsConfig } from './stats-config.ts';

/**
 * The bootstrap of a proxy in the mesh, as protobuf JSON of `envoy.config.bootstrap.v3.Bootstrap`: ADS over the agent's
 * Unix socket, the clusters and listeners that the tools expect, and the node. Our proxy and stock Envoy read the same.
 */
export function renderBootstrap(input: BootstrapInput): Record<string, unknown> {
  return {
    node: {
      id: input.node.id,
      cluster: input.node.cluster,
      ...(input.node.locality === undefined ? {} : { locality: input.node.locality }),
      metadata: input.node.metadata,
    },
    layered_runtime: {
      layers: [
        { name: 'global config', static_layer: { 're2.max_program_size.error_level': '32768' } },
        { name: 'admin', admin_layer: {} },
      ],
    },
    stats_config: statsConfig(input.stats ?? {}),
    ...(input.statsEvictionMs === undefined ? {} : { stats_eviction_interval: `${input.statsEvictionMs / 1000}s` }),
    admin: {
      address: { socket_address: { address: input.adminAddress ?? '127.0.0.1', port_value: input.adminPort ?? 15000 } },
    },
    dynamic_resources: {
      lds_config: { ads: {}, initial_fetch_timeout: '0s', resource_api_version: 'V3' },
      cds_config: { ads: {}, initial_fetch_timeout: '0s', resource_api_version: 'V3' },
      ads_config: {
        api_type: input.xdsType === 'delta' ? 'DELTA_GRPC' : 'GRPC',
        set_node_on_first_message_only: true,
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc' } }],
      },
    },
    static_resources: {
      listeners: agentListeners(input),
      clusters: bootstrapClusters(input),
    },
    ...(input.zipkin === undefined ? {} : { tracing: zipkinTracing() }),
  };
}

function zipkinTracing(): Record<string, unknown> {
  return {
    http: {
      name: 'envoy.tracers.zipkin',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.config.trace.v3.ZipkinConfig',
        collector_cluster: 'zipkin',
        collector_endpoint: '/api/v2/spans',
        collector_endpoint_version: 'HTTP_JSON',
        trace_id_128bit: true,
        shared_span_context: false,
      },
    },
  };
}
