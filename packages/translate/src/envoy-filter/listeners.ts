import { create, type JsonObject } from '@bufbuild/protobuf';
import { query, sameList } from '@xebec/incremental';
import type { MeshProxy, MeshSnapshot } from '@xebec/model';
import { TrafficDirection } from '@xebec/protos/envoy/config/core/v3/base';
import { type Listener, ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import type { Generated } from '../generated.ts';
import { edited, isObject, merge, objects } from './json.ts';
import { patchList } from './lists.ts';
import { type Context, inContext, type Patch, patchesFor } from './patches.ts';
import { patchRouteJson } from './routes.ts';

const MANAGER = 'envoy.filters.network.http_connection_manager';
const KINDS: readonly Patch['applyTo'][] = ['LISTENER', 'LISTENER_FILTER', 'FILTER_CHAIN', 'NETWORK_FILTER', 'HTTP_FILTER'];
const ROUTE_KINDS: readonly Patch['applyTo'][] = ['ROUTE_CONFIGURATION', 'VIRTUAL_HOST', 'HTTP_ROUTE'];

/** Applies patches to listeners, filter chains, network, HTTP and listener filters, and to routes inside listeners. */
export function patchListeners(snapshot: MeshSnapshot, proxy: MeshProxy, listeners: readonly Generated<Listener>[]): Generated<Listener>[] {
  const patches = listenerPatches(snapshot, proxy);
  return patches.length === 0 ? [...listeners] : listeners.flatMap((listener) => patchedListener(snapshot, proxy, listener, patches));
}

/** The listeners that patches ADD to those that are `present`. */
export function addListeners(
  snapshot: MeshSnapshot,
  proxy: MeshProxy,
  present: () => readonly Generated<Listener>[],
): readonly Generated<Listener>[] {
  const patches = listenerPatches(snapshot, proxy).filter((patch) => patch.applyTo === 'LISTENER' && patch.operation === 'ADD');
  if (patches.length === 0) return [];
  const names = new Set(present().map(({ name }) => name));
  return patches.flatMap((patch) => {
    const message = edited(ListenerSchema, create(ListenerSchema), (json) => Object.assign(json, patch.value));
    if (message.name === '' || names.has(message.name)) return [];
    names.add(message.name);
    return [{ name: message.name, message, provenance: [patch.reference] }];
  });
}

const listenerPatches = query(
  'listener patches',
  (snapshot: MeshSnapshot, proxy: MeshProxy) =>
    patchesFor(snapshot, proxy).filter((patch) => KINDS.includes(patch.applyTo) || ROUTE_KINDS.includes(patch.applyTo)),
  { same: sameList },
);

const patchedListener = query(
  'patched listener',
  (_: MeshSnapshot, proxy: MeshProxy, listener: Generated<Listener>, patches: readonly Patch[]) => patchOne(listener, patches, proxy),
  { same: sameList },
);

function contextOf(listener: Listener, proxy: MeshProxy): Context {
  if (proxy.type === 'router') return 'GATEWAY';
  return listener.trafficDirection === TrafficDirection.INBOUND ? 'SIDECAR_INBOUND' : 'SIDECAR_OUTBOUND';
}

function patchOne(generated: Generated<Listener>, patches: readonly Patch[], proxy: MeshProxy): Generated<Listener>[] {
  const context = contextOf(generated.message, proxy);
  const own = patches.filter((patch) => inContext(patch, context) && namesListener(patch, generated, context));
  if (own.some((patch) => patch.applyTo === 'LISTENER' && patch.operation === 'REMOVE')) return [];
  if (own.length === 0) return [generated];
  const message = edited(ListenerSchema, generated.message, (json) => {
    for (const patch of own) patchJson(json, patch, context);
  });
  const references = own.filter((patch) => KINDS.includes(patch.applyTo)).map((patch) => patch.reference);
  return [{ ...generated, message, provenance: [...generated.provenance, ...references] }];
}

function namesListener(patch: Patch, { name, message }: Generated<Listener>, context: Context): boolean {
  const match = patch.match.listener;
  if (match === undefined) return true;
  if (match.name !== undefined && match.name !== '' && match.name !== name) return false;
  if (match.portNumber === undefined || context === 'SIDECAR_INBOUND') return true;
  const address = message.address?.address;
  const specifier = address?.case === 'socketAddress' ? address.value.portSpecifier : undefined;
  return specifier?.case === 'portValue' && specifier.value === match.portNumber;
}

function patchJson(json: JsonObject, patch: Patch, context: Context): void {
  if (patch.applyTo === 'LISTENER') {
    if (patch.operation === 'MERGE') Object.assign(json, merge(json, patch.value));
    return;
  }
  if (patch.applyTo === 'LISTENER_FILTER') {
    const name = patch.match.listener?.listenerFilter;
    const matches = (filter: JsonObject) => name === undefined || filter['name'] === name;
    json['listenerFilters'] = patchList(objects(json['listenerFilters']), patch, matches, name !== undefined);
    return;
  }
  if (patch.applyTo === 'FILTER_CHAIN') {
    const matches = (chain: JsonObject) => matchesChain(chain, patch, context);
    json['filterChains'] = patchList(objects(json['filterChains']), patch, matches, patch.match.listener?.filterChain !== undefined);
    return;
  }
  const chains = [...objects(json['filterChains']), ...(isObject(json['defaultFilterChain']) ? [json['defaultFilterChain']] : [])];
  for (const chain of chains) if (matchesChain(chain, patch, context)) patchChain(chain, patch, context);
}

/** The inbound listener holds the chains of all ports, so there a port means that of the chain. */
function matchesChain(chain: JsonObject, patch: Patch, context: Context): boolean {
  const listener = patch.match.listener;
  const wanted = listener?.filterChain;
  const match = isObject(chain['filterChainMatch']) ? chain['filterChainMatch'] : {};
  const port = wanted?.destinationPort ?? (context === 'SIDECAR_INBOUND' ? listener?.portNumber : undefined);
  if (port !== undefined && match['destinationPort'] !== port) return false;
  if (wanted?.name !== undefined && wanted.name !== '' && chain['name'] !== wanted.name) return false;
  if (wanted?.transportProtocol !== undefined && match['transportProtocol'] !== wanted.transportProtocol) return false;
  if (wanted?.sni === undefined || wanted.sni === '') return true;
  return Array.isArray(match['serverNames']) && match['serverNames'].includes(wanted.sni);
}

function patchChain(chain: JsonObject, patch: Patch, context: Context): void {
  const filters = objects(chain['filters']);
  const wanted = patch.match.listener?.filterChain?.filter;
  const named = (filter: JsonObject) => wanted?.name === undefined || wanted.name === '' || filter['name'] === wanted.name;
  if (patch.applyTo === 'NETWORK_FILTER') {
    chain['filters'] = patchList(filters, patch, named, wanted?.name !== undefined);
    return;
  }
  for (const filter of filters) {
    const config = filter['typedConfig'];
    if (filter['name'] !== MANAGER || !isObject(config)) continue;
    if (patch.applyTo === 'HTTP_FILTER') {
      if (!named(filter)) continue;
      const sub = wanted?.subFilter?.name;
      const matches = (inner: JsonObject) => sub === undefined || inner['name'] === sub;
      config['httpFilters'] = withRouterLast(patchList(objects(config['httpFilters']), patch, matches, sub !== undefined));
    } else if (isObject(config['routeConfig'])) patchRouteJson(config['routeConfig'], [patch], context);
  }
}

/** What a patch adds at the end belongs before the router, which ends every chain. */
function withRouterLast(filters: readonly JsonObject[]): JsonObject[] {
  const isRouter = (filter: JsonObject) => filter['name'] === 'envoy.filters.http.router';
  return [...filters.filter((filter) => !isRouter(filter)), ...filters.filter(isRouter)];
}
