import { anyUnpack } from '@bufbuild/protobuf/wkt';
import type { FilterChain } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import { RBACSchema } from '@xebec/protos/envoy/extensions/filters/network/rbac/v3/rbac';
import { TcpProxySchema } from '@xebec/protos/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy';
import type { FilterPass } from './http-filters.ts';
import { reportRbac } from './http-filters.ts';
import { percent } from './route-step.ts';

/** Whether the network filters in front of the last one let a connection in. */
export function passNetworkFilters(chain: FilterChain, pass: Pick<FilterPass, 'snapshot' | 'info' | 'place' | 'journey'>): boolean {
  for (const { configType } of chain.filters) {
    const rbac = configType.case === 'typedConfig' ? anyUnpack(configType.value, RBACSchema) : undefined;
    if (rbac?.shadowRules !== undefined) reportRbac({ ...pass, request: undefined }, rbac.shadowRules, ' (dry run)', 'network filter');
    if (rbac?.rules !== undefined && !reportRbac({ ...pass, request: undefined }, rbac.rules, '', 'network filter')) return false;
  }
  return true;
}

/** The cluster that a TCP proxy sends a connection to. */
export function tcpCluster(
  chain: FilterChain,
  draw: number,
  { place, journey }: Pick<FilterPass, 'place' | 'journey'>,
): string | undefined {
  for (const { configType } of chain.filters) {
    const proxy = configType.case === 'typedConfig' ? anyUnpack(configType.value, TcpProxySchema) : undefined;
    if (proxy === undefined) continue;
    const { clusterSpecifier } = proxy;
    if (clusterSpecifier.case === 'cluster') {
      journey.add({ place, topic: 'route', decision: `TCP goes to ${clusterSpecifier.value}` });
      return clusterSpecifier.value;
    }
    const clusters = clusterSpecifier.case === 'weightedClusters' ? clusterSpecifier.value.clusters : [];
    const total = clusters.reduce((sum, { weight }) => sum + weight, 0);
    let left = draw * total;
    const chosen = clusters.find(({ weight }) => {
      left -= weight;
      return left < 0;
    });
    journey.add({
      place,
      topic: 'route',
      decision: `TCP goes to ${chosen?.name ?? 'nobody'}`,
      details: [`weights: ${clusters.map(({ name, weight }) => `${percent(weight / total)} ${name}`).join(', ')}`],
    });
    return chosen?.name;
  }
  return undefined;
}
