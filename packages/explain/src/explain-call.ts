import { type MeshProxy, type MeshSnapshot, spiffeId } from '@xebec/model';
import { PASSTHROUGH } from '@xebec/translate';
import { type Call, hostAndPort, requestHead } from './call.ts';
import { chooseUpstream, type Upstream } from './cluster-step.ts';
import { streamInfo } from './connection-info.ts';
import { arriveAtDestination } from './destination-walk.ts';
import { type Explanation, Journey } from './explanation.ts';
import { arriveAtGateway } from './gateway-walk.ts';
import { resolveDestination } from './host-step.ts';
import { chooseChain, outboundListener } from './listener-step.ts';
import { nobody } from './nobody.ts';
import { ProxyResources } from './proxy-resources.ts';
import { throughChain } from './through-proxy.ts';

/**
 * What becomes of a call, decision by decision, by the resources that its proxies get and the matchers that they run. Everything is
 * computed from the snapshot: no proxy is asked, so it answers for meshes that exist in files only.
 */
export function explainCall(snapshot: MeshSnapshot, call: Call): Explanation {
  const journey = new Journey();
  const { caller } = call;
  if (caller.kind === 'outside') return arriveAtGateway(snapshot, call, caller, journey);
  const { proxy, sidecar } = caller;
  const identity = spiffeId(snapshot.mesh.trustDomain ?? 'cluster.local', proxy.namespace, proxy.serviceAccount);
  journey.add({
    place: 'mesh',
    topic: 'source',
    decision: `${proxy.name}.${proxy.namespace} calls ${call.method} ${call.authority}${call.path}`,
    details: sidecar ? [`its identity is ${identity}`] : ['it has no sidecar: it calls in plain text, without identity'],
  });
  const target = hostAndPort(call);
  const destination = resolveDestination(snapshot, proxy, target, journey);
  if (!sidecar) return withoutSidecar(snapshot, call, destination, target.port, journey);
  return bySidecar(snapshot, call, proxy, { address: destination.address, port: target.port, host: target.host, identity }, journey);
}

interface Target {
  readonly address: string;
  readonly port: number;
  readonly host: string;
  readonly identity: string;
}

function bySidecar(
  snapshot: MeshSnapshot,
  call: Call,
  proxy: MeshProxy,
  { address, port, host, identity }: Target,
  journey: Journey,
): Explanation {
  const resources = new ProxyResources(snapshot, proxy);
  const tls = call.scheme === 'https';
  const connection = {
    destinationAddress: address,
    destinationPort: port,
    sourceAddress: proxy.addresses[0] ?? '127.0.0.1',
    serverName: tls ? host : '',
    tls,
    applicationProtocols: tls ? ['h2', 'http/1.1'] : ['http/1.1'],
  };
  const listener = outboundListener(resources, connection, journey);
  const chain = listener === undefined ? undefined : chooseChain(listener, connection, journey, 'source');
  if (listener === undefined || chain === undefined)
    return journey.end({ outcome: 'reset', text: 'no filter chain takes the connection: it is closed (response flag NR)' });
  const info = streamInfo({ ...connection, identity: undefined, direction: 'outbound', listener: listener.name });
  const request = requestHead(call);
  const next = throughChain(chain, { snapshot, resources, call, request, info, place: 'source', journey });
  if (!('cluster' in next)) return journey.end(next);
  const upstream = chooseUpstream(snapshot, resources, next.cluster, { address, port }, journey, 'source');
  if (next.cluster === PASSTHROUGH)
    return journey.end({
      outcome: 'passed through',
      text: `it leaves the mesh for ${host}:${port}: outboundTrafficPolicy lets unknown hosts through`,
    });
  if (upstream === undefined) return journey.end(nobody(next.cluster));
  return arriveAtDestination(snapshot, call, next.request, { upstream, identity, sourceAddress: connection.sourceAddress, host }, journey);
}

/** What the cluster's own load balancing of service addresses does for a caller without a proxy. */
function withoutSidecar(
  snapshot: MeshSnapshot,
  call: Call,
  destination: ReturnType<typeof resolveDestination>,
  port: number,
  journey: Journey,
): Explanation {
  const { service, port: servicePort } = destination;
  if (service === undefined || servicePort === undefined)
    return journey.end({ outcome: 'passed through', text: `it goes to ${destination.address}:${port} without any proxy` });
  const [endpoint] = snapshot.endpoints(service, servicePort.name).filter(({ health }) => health === 'healthy');
  if (endpoint === undefined)
    return journey.end({ outcome: 'reset', text: `${service.hostname} has no ready endpoint: the connection is refused` });
  journey.add({
    place: 'mesh',
    topic: 'endpoint',
    decision: `${endpoint.address}:${endpoint.port}, chosen by the platform`,
  });
  const upstream: Upstream = { endpoint, address: endpoint.address, port: endpoint.port, tls: undefined };
  const sourceAddress = call.caller.kind === 'workload' ? (call.caller.proxy.addresses[0] ?? '') : '';
  return arriveAtDestination(
    snapshot,
    call,
    requestHead(call),
    { upstream, identity: undefined, sourceAddress, host: service.hostname },
    journey,
  );
}
