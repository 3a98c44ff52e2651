import type { Bootstrap } from '@xebec/protos/envoy/config/bootstrap/v3/bootstrap';
import type { ConfigSource } from '@xebec/protos/envoy/config/core/v3/config_source';
import { HttpConnectionManagerSchema } from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import {
  type CommonTlsContext,
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/tls';
import { inside, refuse } from './refuse.ts';

/** Who subscribes must say who it is. Throws XebecError `E_CONFIG` in Envoy's words. */
function requireNode(node: { readonly id: string; readonly cluster: string }, what: string): void {
  if (node.id !== '' && node.cluster !== '') return;
  refuse(
    `${what}: node 'id' and 'cluster' are required. Set it either in 'node' config or via --service-node and --service-cluster options.`,
  );
}

/** Checks what a bootstrap subscribes to by itself; the flags `--service-node` and `--service-cluster` come before its node. */
export function requireNodeForSources(
  bootstrap: Bootstrap,
  flags: { readonly serviceNode?: string; readonly serviceCluster?: string },
): void {
  const node = { id: flags.serviceNode ?? bootstrap.node?.id ?? '', cluster: flags.serviceCluster ?? bootstrap.node?.cluster ?? '' };
  const { dynamicResources, layeredRuntime } = bootstrap;
  if (dynamicResources?.cdsConfig !== undefined) requireNode(node, 'type.googleapis.com/envoy.config.cluster.v3.Cluster');
  if (isSource(dynamicResources?.ldsConfig, bootstrap)) requireNode(node, 'type.googleapis.com/envoy.config.listener.v3.Listener');
  if (layeredRuntime?.layers.some(({ layerSpecifier }) => layerSpecifier.case === 'rtdsLayer') === true)
    requireNode(node, 'type.googleapis.com/envoy.service.runtime.v3.Runtime');
  for (const { edsClusterConfig, transportSocket } of bootstrap.staticResources?.clusters ?? []) {
    if (isSource(edsClusterConfig?.edsConfig, bootstrap))
      requireNode(node, 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment');
    requireForSecrets(inside(transportSocket?.configType.value, UpstreamTlsContextSchema)?.commonTlsContext, node);
  }
  for (const { filterChains, defaultFilterChain } of bootstrap.staticResources?.listeners ?? [])
    for (const chain of [...filterChains, ...(defaultFilterChain === undefined ? [] : [defaultFilterChain])]) {
      requireForSecrets(inside(chain.transportSocket?.configType.value, DownstreamTlsContextSchema)?.commonTlsContext, node);
      for (const filter of chain.filters) {
        const manager = filter.configType.case === 'typedConfig' ? inside(filter.configType.value, HttpConnectionManagerSchema) : undefined;
        const rds = manager?.routeSpecifier.case === 'rds' ? manager.routeSpecifier.value.configSource : undefined;
        if (isSource(rds, bootstrap)) requireNode(node, 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration');
        for (const { configType } of manager?.httpFilters ?? [])
          if (configType.case === 'configDiscovery' && isSource(configType.value.configSource, bootstrap))
            requireNode(node, 'type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig');
      }
    }
}

function requireForSecrets(context: CommonTlsContext | undefined, node: { readonly id: string; readonly cluster: string }): void {
  if (context === undefined) return;
  const { tlsCertificateSdsSecretConfigs, validationContextType } = context;
  if (tlsCertificateSdsSecretConfigs.some(({ sdsConfig }) => sdsConfig !== undefined)) requireNode(node, 'TlsCertificateSdsApi');
  const validation =
    validationContextType.case === 'validationContextSdsSecretConfig'
      ? validationContextType.value
      : validationContextType.case === 'combinedValidationContext'
        ? validationContextType.value.validationContextSdsSecretConfig
        : undefined;
  if (validation?.sdsConfig !== undefined) requireNode(node, 'CertificateValidationContextSdsApi');
}

/** ADS without an ADS server subscribes to nothing. */
function isSource(source: ConfigSource | undefined, bootstrap: Bootstrap): boolean {
  if (source === undefined) return false;
  return source.configSourceSpecifier.case !== 'ads' || bootstrap.dynamicResources?.adsConfig !== undefined;
}
