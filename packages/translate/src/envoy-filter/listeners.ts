import { clone } from '@bufbuild/protobuf';
import { query, sameList } from '@xebec/incremental';
import type { MeshProxy, MeshSnapshot } from '@xebec/model';
import { TrafficDirection } from '@xebec/protos/envoy/config/core/v3/base';
import { type Listener, ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import { ListenerFilterSchema } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import type { Generated } from '../generated.ts';
import { patchChains } from './filter-chains.ts';
import { patchList } from './lists.ts';
import { mergeAny, mergeMessage } from './merge.ts';
import { type Context, inContext, isMerge, type Patch, patchesFor, patchValue } from './patches.ts';

const ROUTE_KINDS: readonly Patch['applyTo'][] = ['ROUTE_CONFIGURATION', 'VIRTUAL_HOST', 'HTTP_ROUTE'];
const KINDS: readonly Patch['applyTo'][] = ['LISTENER', 'LISTENER_FILTER', 'FILTER_CHAIN', 'NETWORK_FILTER', 'HTTP_FILTER'];

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
    const message = patchValue(patch, ListenerSchema);
    if (message === undefined || message.name === '' || names.has(message.name)) return [];
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
  const inside = patches.filter((patch) => inContext(patch, context));
  const own = inside.filter((patch) => KINDS.includes(patch.applyTo) && namesListener(patch, generated));
  const routes = inside.filter((patch) => ROUTE_KINDS.includes(patch.applyTo));
  if (own.length === 0 && routes.length === 0) return [generated];
  const message = clone(ListenerSchema, generated.message);
  for (const patch of own) {
    if (patch.applyTo !== 'LISTENER') continue;
    if (patch.operation === 'REMOVE') return [];
    const value = isMerge(patch) ? patchValue(patch, ListenerSchema) : undefined;
    if (value !== undefined) mergeMessage(ListenerSchema, message, value, patch.operation === 'MERGE_AND_REPLACE_LIST');
  }
  for (const patch of own) if (patch.applyTo === 'LISTENER_FILTER') patchListenerFilters(message, patch);
  patchChains(message, own, routes, context, isVirtual(generated.name));
  return [{ ...generated, message, provenance: [...generated.provenance, ...own.map((patch) => patch.reference)] }];
}

/** Listeners that hold the connections of many ports: what a patch says of a port is then said of their chains. */
function isVirtual(name: string): boolean {
  return name === 'virtualInbound' || name === 'virtualOutbound';
}

function namesListener(patch: Patch, { name, message }: Generated<Listener>): boolean {
  const match = patch.match.listener;
  if (match === undefined) return true;
  if (match.name !== undefined && match.name !== '' && match.name !== name) return false;
  if (match.portNumber === undefined || (patch.applyTo !== 'LISTENER' && isVirtual(name))) return true;
  const address = message.address?.address;
  const specifier = address?.case === 'socketAddress' ? address.value.portSpecifier : undefined;
  return specifier?.case === 'portValue' && specifier.value === match.portNumber;
}

function patchListenerFilters(listener: Listener, patch: Patch): void {
  const name = patch.match.listener?.listenerFilter ?? '';
  const matches = (filter: Listener['listenerFilters'][number]) => filter.name === name;
  if (patch.operation !== 'MERGE') {
    const view = { value: () => patchValue(patch, ListenerFilterSchema), anchored: name !== '', matches };
    listener.listenerFilters = patchList(listener.listenerFilters, patch.operation, view);
    return;
  }
  const value = patchValue(patch, ListenerFilterSchema);
  if (name === '' || value?.configType.case !== 'typedConfig') return;
  // As Istio does it, whichever filter is named: those of another type stay as they are.
  for (const filter of listener.listenerFilters) {
    if (filter.configType.case !== 'typedConfig') continue;
    const merged = mergeAny(filter.configType.value, value.configType.value);
    if (merged !== undefined && matches(filter)) filter.configType = { case: 'typedConfig', value: merged };
  }
}
