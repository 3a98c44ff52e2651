import { query, sameList } from '@xebec/incremental';
import { inboundInstances, type MeshProxy, type MeshSnapshot } from '@xebec/model';
import type { Listener } from '@xebec/protos/envoy/config/listener/v3/listener';
import { addListeners, patchListeners } from '../envoy-filter/listeners.ts';
import { gatewayListeners } from '../gateway/listeners.ts';
import type { Generated } from '../generated.ts';
import { grpcListeners } from '../grpc/listeners.ts';
import { listenerContext } from './context.ts';
import { boundInbound, inboundPorts, virtualInbound } from './inbound.ts';
import { withoutMissing } from './missing-filters.ts';
import { outboundListeners, virtualOutbound } from './outbound.ts';

/** All listeners of a proxy. */
export function generateListeners(snapshot: MeshSnapshot, proxy: MeshProxy): Generated<Listener>[] {
  return [...sharedListeners(snapshot, proxy), ...ownListeners(snapshot, proxy)];
}

/** What takes a proxy's outgoing connections: the same for most proxies of a namespace. */
export const sharedListeners = query(
  'shared listeners',
  (snapshot: MeshSnapshot, proxy: MeshProxy): readonly Generated<Listener>[] =>
    patchListeners(snapshot, proxy, withoutMissing(proxy, unpatchedShared(snapshot, proxy))),
  { same: sameList },
);

/** What takes the connections of others, and the listeners that patches add. */
export const ownListeners = query(
  'own listeners',
  (snapshot: MeshSnapshot, proxy: MeshProxy): readonly Generated<Listener>[] => {
    const own = patchListeners(snapshot, proxy, withoutMissing(proxy, unpatchedOwn(snapshot, proxy)));
    return [...own, ...addListeners(snapshot, proxy, () => [...sharedListeners(snapshot, proxy), ...own])];
  },
  { same: sameList },
);

function unpatchedShared(snapshot: MeshSnapshot, proxy: MeshProxy): Generated<Listener>[] {
  if (proxy.flavour === 'grpc') return grpcListeners(snapshot, proxy);
  const context = listenerContext(snapshot, proxy);
  if (proxy.type === 'router') return gatewayListeners(snapshot, context);
  if (proxy.interceptionMode !== 'NONE') return [...outboundListeners(snapshot, context, new Set()), virtualOutbound(context)];
  // Without iptables, what the workload serves takes ports that calls would need.
  const ports = inboundPorts(inboundInstances(snapshot, proxy));
  return outboundListeners(snapshot, context, new Set(ports.map(({ port }) => port)));
}

function unpatchedOwn(snapshot: MeshSnapshot, proxy: MeshProxy): Generated<Listener>[] {
  if (proxy.flavour === 'grpc' || proxy.type === 'router') return [];
  const context = listenerContext(snapshot, proxy);
  const ports = inboundPorts(inboundInstances(snapshot, proxy));
  const bound = boundInbound(snapshot, context, ports);
  return proxy.interceptionMode === 'NONE' ? bound : [virtualInbound(snapshot, context, ports), ...bound];
}
