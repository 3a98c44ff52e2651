import { inboundInstances, type MeshProxy, type MeshSnapshot } from '@xebec/model';
import type { Listener } from '@xebec/protos/envoy/config/listener/v3/listener';
import { patchListeners } from '../envoy-filter/listeners.ts';
import { gatewayListeners } from '../gateway/listeners.ts';
import type { Generated } from '../generated.ts';
import { grpcListeners } from '../grpc/listeners.ts';
import { listenerContext } from './context.ts';
import { boundInbound, inboundPorts, virtualInbound } from './inbound.ts';
import { outboundListeners, virtualOutbound } from './outbound.ts';

/** All listeners of a proxy. */
export function generateListeners(snapshot: MeshSnapshot, proxy: MeshProxy): Generated<Listener>[] {
  return patchListeners(snapshot, proxy, unpatched(snapshot, proxy));
}

function unpatched(snapshot: MeshSnapshot, proxy: MeshProxy): Generated<Listener>[] {
  if (proxy.flavour === 'grpc') return grpcListeners(snapshot, proxy);
  const context = listenerContext(snapshot, proxy);
  if (proxy.type === 'router') return gatewayListeners(snapshot, context);
  const ports = inboundPorts(inboundInstances(snapshot, proxy));
  const outbound = outboundListeners(snapshot, context, new Set(ports.map(({ port }) => port)));
  if (proxy.interceptionMode === 'NONE') return [...outbound, ...boundInbound(context, ports)];
  return [...outbound, virtualInbound(context, ports), virtualOutbound(context)];
}
