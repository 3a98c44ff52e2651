import { type MeshSnapshot, spiffeId } from '@xebec/model';
import type { Listener } from '@xebec/protos/envoy/config/listener/v3/listener';
import type { Generated } from '@xebec/translate';
import { type Call, type Caller, hostAndPort, requestHead } from './call.ts';
import { chooseUpstream } from './cluster-step.ts';
import { streamInfo } from './connection-info.ts';
import { arriveAtDestination } from './destination-walk.ts';
import type { Explanation, Journey } from './explanation.ts';
import { chooseChain } from './listener-step.ts';
import { nobody } from './nobody.ts';
import { ProxyResources } from './proxy-resources.ts';
import { throughChain } from './through-proxy.ts';

/** A call from outside: by a gateway, then to the workload behind it. */
export function arriveAtGateway(snapshot: MeshSnapshot, call: Call, caller: Caller & { kind: 'outside' }, journey: Journey): Explanation {
  const { gateway } = caller;
  const { host, port } = hostAndPort(call);
  journey.add({
    place: 'mesh',
    topic: 'source',
    decision: `somebody outside calls ${call.method} ${call.scheme}://${call.authority}${call.path} at ${gateway.name}.${gateway.namespace}`,
  });
  const resources = new ProxyResources(snapshot, gateway);
  const targetPort = portBehindService(snapshot, gateway.addresses[0] ?? '', port);
  const listener = listenerOfPort(resources, targetPort) ?? listenerOfPort(resources, port);
  if (listener === undefined) {
    const open = resources
      .listeners()
      .map(({ message }) => portOf(message))
      .sort((a, b) => a - b);
    journey.add({
      place: 'gateway',
      topic: 'listener',
      decision: `no Gateway opens port ${port}; open: ${open.length === 0 ? 'none' : open.join(', ')}`,
    });
    return journey.end({ outcome: 'reset', text: `the connection to port ${port} is refused` });
  }
  const tls = call.scheme === 'https';
  const address = gateway.addresses[0] ?? '';
  const connection = {
    destinationAddress: address,
    destinationPort: portOf(listener.message),
    sourceAddress: caller.address,
    serverName: tls ? host : '',
    tls,
    applicationProtocols: tls ? ['h2', 'http/1.1'] : ['http/1.1'],
  };
  journey.add({ place: 'gateway', topic: 'listener', decision: `${listener.name} takes port ${port}`, origins: listener.provenance });
  const chain = chooseChain(listener, connection, journey, 'gateway');
  if (chain === undefined)
    return journey.end({
      outcome: 'reset',
      text: `no server of the gateway takes ${tls ? `TLS for ${host}` : 'plain text'}: the connection is closed`,
    });
  const info = streamInfo({ ...connection, identity: undefined, direction: 'unspecified', listener: listener.name });
  const request = { ...requestHead(call), scheme: call.scheme };
  request.headers.push('x-forwarded-proto', call.scheme);
  const next = throughChain(chain, { snapshot, resources, call, request, info, place: 'gateway', journey });
  if (!('cluster' in next)) return journey.end(next);
  const upstream = chooseUpstream(snapshot, resources, next.cluster, { address, port }, journey, 'gateway');
  if (upstream === undefined) return journey.end(nobody(next.cluster));
  const identity = spiffeId(snapshot.mesh.trustDomain ?? 'cluster.local', gateway.namespace, gateway.serviceAccount);
  return arriveAtDestination(snapshot, call, next.request, { upstream, identity, sourceAddress: address, host }, journey);
}

/** Where the gateway's own service sends a port. */
function portBehindService(snapshot: MeshSnapshot, address: string, port: number): number {
  for (const { service, endpoint } of snapshot.endpointsAt(address)) {
    const servicePort = service.ports.find(({ number }) => number === port);
    if (servicePort?.name === endpoint.servicePortName) return endpoint.port;
  }
  return port;
}

function listenerOfPort(resources: ProxyResources, port: number): Generated<Listener> | undefined {
  return resources.listeners().find(({ message }) => portOf(message) === port);
}

function portOf({ address }: Listener): number {
  const socket = address?.address.case === 'socketAddress' ? address.address.value : undefined;
  return socket?.portSpecifier.case === 'portValue' ? socket.portSpecifier.value : 0;
}
