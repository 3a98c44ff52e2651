import { create } from '@bufbuild/protobuf';
import type { MeshProxy } from '@xebec/model';
import type { Listener } from '@xebec/protos/envoy/config/listener/v3/listener';
import { type Filter, type FilterChain, FilterSchema } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import { RBAC_Action } from '@xebec/protos/envoy/config/rbac/v3/rbac';
import { RBACSchema } from '@xebec/protos/envoy/extensions/filters/network/rbac/v3/rbac';
import { extension } from '../envoy/any.ts';
import { listsEverything } from '../extensions.ts';
import type { Generated } from '../generated.ts';

const RBAC = 'envoy.filters.network.rbac';
/** Network filters that guard what comes after them. Where RBAC itself is missing it stays: a refused listener lets nobody in. */
const GUARDS = new Set(['envoy.filters.network.ext_authz']);
/** Without these there is no listener, whatever a list says. */
const KEPT = new Set([RBAC, 'envoy.filters.network.http_connection_manager', 'envoy.filters.network.tcp_proxy']);

/** Leaves out network filters that the proxy lacks, so that it need not refuse the listener; denies where one of them would guard. */
export function withoutMissing(proxy: MeshProxy, listeners: Generated<Listener>[]): Generated<Listener>[] {
  if (!listsEverything(proxy)) return listeners;
  return listeners.map((generated) => {
    const { filterChains, defaultFilterChain } = generated.message;
    const all = defaultFilterChain === undefined ? filterChains : [...filterChains, defaultFilterChain];
    if (all.every(({ filters }) => filters.every((filter) => runs(proxy, filter)))) return generated;
    const fit = (chain: FilterChain): FilterChain => ({ ...chain, filters: chain.filters.flatMap((filter) => fitting(proxy, filter)) });
    const message: Listener = {
      ...generated.message,
      filterChains: filterChains.map(fit),
      ...(defaultFilterChain === undefined ? {} : { defaultFilterChain: fit(defaultFilterChain) }),
    };
    return { ...generated, message };
  });
}

function runs({ extensions }: MeshProxy, { name, configType }: Filter): boolean {
  // Users' extensions are references under names of their own.
  return configType.case === 'configDiscovery' || KEPT.has(name) || extensions.has(name);
}

function fitting(proxy: MeshProxy, filter: Filter): Filter[] {
  if (runs(proxy, filter)) return [filter];
  return GUARDS.has(filter.name) ? [denyAll(filter.name)] : [];
}

function denyAll(missing: string): Filter {
  const policy = {
    permissions: [{ rule: { case: 'any' as const, value: true } }],
    principals: [{ identifier: { case: 'any' as const, value: true } }],
  };
  const rules = { action: RBAC_Action.DENY, policies: { [`xebec-filter-missing[${missing}]`]: policy } };
  return create(FilterSchema, extension(RBAC, RBACSchema, { rules, statPrefix: 'tcp.' }));
}
