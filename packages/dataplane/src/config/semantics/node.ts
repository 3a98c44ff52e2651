import type { Bootstrap } from '@xebec/protos/envoy/config/bootstrap/v3/bootstrap';
import type { ConfigSource } from '@xebec/protos/envoy/config/core/v3/config_source';
import { refuse } from './refuse.ts';

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
}

/** ADS without an ADS server subscribes to nothing. */
function isSource(source: ConfigSource | undefined, bootstrap: Bootstrap): boolean {
  if (source === undefined) return false;
  return source.configSourceSpecifier.case !== 'ads' || bootstrap.dynamicResources?.adsConfig !== undefined;
}
