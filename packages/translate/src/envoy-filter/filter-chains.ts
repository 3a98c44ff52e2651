import { type Any, anyPack, anyUnpack } from '@bufbuild/protobuf/wkt';
import type { Listener } from '@xebec/protos/envoy/config/listener/v3/listener';
import { type Filter, type FilterChain, FilterChainSchema, FilterSchema } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import {
  type HttpConnectionManager,
  HttpConnectionManagerSchema,
  type HttpFilter,
  HttpFilterSchema,
} from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { patchList } from './lists.ts';
import { mergeAny, mergeMessage } from './merge.ts';
import { type Context, isMerge, type Patch, patchValue } from './patches.ts';
import { patchRouteConfiguration } from './routes.ts';

const MANAGER = 'envoy.filters.network.http_connection_manager';

/**
 * Applies patches to the chains of a listener and all that is in them: chains, then their network filters, then HTTP filters;
 * at each level first what inserts and removes, then what merges, so that a filter which one patch inserts can be changed by
 * another. Chains that patches add come last and are not patched.
 */
export function patchChains(
  listener: Listener,
  patches: readonly Patch[],
  routes: readonly Patch[],
  context: Context,
  virtual: boolean,
): void {
  const chains = [...listener.filterChains, ...(listener.defaultFilterChain === undefined ? [] : [listener.defaultFilterChain])];
  const removed = new Set<FilterChain>();
  for (const chain of chains) {
    patchInlineRoutes(chain, routes, context);
    const own = patches.filter(
      (patch) => patch.applyTo !== 'LISTENER' && patch.applyTo !== 'LISTENER_FILTER' && namesChain(chain, patch, virtual),
    );
    if (!patchChain(chain, own)) removed.add(chain);
  }
  const added = patches.flatMap((patch) =>
    patch.applyTo === 'FILTER_CHAIN' && patch.operation === 'ADD' ? (patchValue(patch, FilterChainSchema) ?? []) : [],
  );
  listener.filterChains = [...listener.filterChains, ...added].filter((chain) => !removed.has(chain));
  if (listener.defaultFilterChain !== undefined && removed.has(listener.defaultFilterChain)) delete listener.defaultFilterChain;
}

function namesChain(chain: FilterChain, patch: Patch, virtual: boolean): boolean {
  const listener = patch.match.listener;
  const match = chain.filterChainMatch;
  const port = listener?.portNumber ?? 0;
  if (virtual && port > 0 && match?.destinationPort !== port) return false;
  const wanted = listener?.filterChain;
  if (wanted === undefined) return true;
  const given = (text: string | undefined): text is string => text !== undefined && text !== '';
  if (given(wanted.name) && wanted.name !== chain.name) return false;
  if (given(wanted.sni) && match?.serverNames.includes(wanted.sni) !== true) return false;
  if (given(wanted.transportProtocol) && match?.transportProtocol !== wanted.transportProtocol) return false;
  if (given(wanted.applicationProtocols))
    for (const protocol of wanted.applicationProtocols.split(','))
      if (match?.applicationProtocols.includes(protocol) !== true) return false;
  return wanted.destinationPort === undefined || match?.destinationPort === wanted.destinationPort;
}

/** False: the chain is to go. */
function patchChain(chain: FilterChain, patches: readonly Patch[]): boolean {
  for (const patch of patches) {
    if (patch.applyTo !== 'FILTER_CHAIN') continue;
    if (patch.operation === 'REMOVE') return false;
    const value = isMerge(patch) ? patchValue(patch, FilterChainSchema) : undefined;
    if (value === undefined) continue;
    if (!mergeSocket(chain, value)) mergeMessage(FilterChainSchema, chain, value, patch.operation === 'MERGE_AND_REPLACE_LIST');
  }
  const network = patches.filter(({ applyTo }) => applyTo === 'NETWORK_FILTER');
  for (const patch of network) {
    const wanted = patch.match.listener?.filterChain?.filter;
    chain.filters = patchList(chain.filters, patch.operation, {
      value: () => patchValue(patch, FilterSchema),
      anchored: wanted !== undefined,
      matches: (filter) => filter.name === (wanted?.name ?? ''),
    });
  }
  const http = patches.filter(({ applyTo }) => applyTo === 'HTTP_FILTER');
  for (const filter of chain.filters) {
    for (const patch of network) {
      const value = patch.operation === 'MERGE' && namesFilter(filter, patch) ? patchValue(patch, FilterSchema) : undefined;
      if (value !== undefined) mergeFilter(filter, value);
    }
    if (filter.name === MANAGER && http.length > 0) patchManager(filter, http);
  }
  return true;
}

/** The transport socket of a chain is merged where both are of one kind; nothing else of the patch is looked at then. */
function mergeSocket(chain: FilterChain, value: FilterChain): boolean {
  const own = chain.transportSocket;
  const given = value.transportSocket;
  if (own === undefined || given === undefined || own.name !== given.name) return false;
  if (own.configType.case === 'typedConfig' && given.configType.case === 'typedConfig') {
    const merged = mergeAny(own.configType.value, given.configType.value);
    if (merged !== undefined) own.configType = { case: 'typedConfig', value: merged };
  }
  return true;
}

function namesFilter(filter: Filter, patch: Patch): boolean {
  const wanted = patch.match.listener?.filterChain?.filter;
  return wanted === undefined || (wanted.name ?? '') === filter.name;
}

/** Of a filter only its name and configuration are merged; one without configuration of its own stays as it is. */
function mergeFilter(filter: Filter | HttpFilter, value: Filter | HttpFilter): void {
  if (filter.configType.case !== 'typedConfig') return;
  const merged = value.configType.case === 'typedConfig' ? mergeAny(filter.configType.value, value.configType.value) : undefined;
  if (value.name !== '') filter.name = value.name;
  if (merged !== undefined) filter.configType = { case: 'typedConfig', value: merged };
}

function patchManager(filter: Filter, patches: readonly Patch[]): void {
  editManager(filter, (manager) => {
    const own = patches.filter((patch) => namesFilter(filter, patch));
    const sub = (patch: Patch) => patch.match.listener?.filterChain?.filter?.subFilter;
    for (const patch of own)
      manager.httpFilters = patchList(manager.httpFilters, patch.operation, {
        value: () => patchValue(patch, HttpFilterSchema),
        anchored: sub(patch) !== undefined,
        matches: (inner) => inner.name === (sub(patch)?.name ?? ''),
      });
    for (const inner of manager.httpFilters)
      for (const patch of own) {
        const named = sub(patch) === undefined || (sub(patch)?.name ?? '') === inner.name;
        const value = patch.operation === 'MERGE' && named ? patchValue(patch, HttpFilterSchema) : undefined;
        if (value !== undefined) mergeFilter(inner, value);
      }
  });
}

function patchInlineRoutes(chain: FilterChain, patches: readonly Patch[], context: Context): void {
  if (patches.length === 0) return;
  for (const filter of chain.filters)
    if (filter.name === MANAGER)
      editManager(filter, (manager) => {
        if (manager.routeSpecifier.case === 'routeConfig') patchRouteConfiguration(manager.routeSpecifier.value, patches, context);
      });
}

function editManager(filter: Filter, edit: (manager: HttpConnectionManager) => void): void {
  const packed: Any | undefined = filter.configType.case === 'typedConfig' ? filter.configType.value : undefined;
  const manager = packed === undefined ? undefined : anyUnpack(packed, HttpConnectionManagerSchema);
  if (manager === undefined) return;
  edit(manager);
  filter.configType = { case: 'typedConfig', value: anyPack(HttpConnectionManagerSchema, manager) };
}
