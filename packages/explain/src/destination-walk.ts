import type { MeshSnapshot } from '@xebec/model';
import { peerAuthenticationOf } from '@xebec/model';
import { referenceTo } from '@xebec/translate';
import type { RequestHead } from '@xebec/wire';
import type { Call } from './call.ts';
import { chooseUpstream, type Upstream } from './cluster-step.ts';
import { streamInfo } from './connection-info.ts';
import type { Explanation, Journey } from './explanation.ts';
import { chooseChain } from './listener-step.ts';
import { ProxyResources } from './proxy-resources.ts';
import { throughChain } from './through-proxy.ts';
import { proxyBeside } from './workloads.ts';

export interface Arrival {
  readonly upstream: Upstream;
  /** SPIFFE ID of the sender's proxy; undefined: it has none. */
  readonly identity: string | undefined;
  readonly sourceAddress: string;
  readonly host: string;
}

/** What TLS between proxies says travels inside (Istio's ALPN filter); without that filter the cluster's own names. */
const MESH_ALPN = ['istio-http/1.1', 'istio', 'http/1.1'];

/** The way through the proxy beside the endpoint, and to its application. */
export function arriveAtDestination(
  snapshot: MeshSnapshot,
  call: Call,
  request: RequestHead,
  arrival: Arrival,
  journey: Journey,
): Explanation {
  const { upstream, host } = arrival;
  const { endpoint, address, port } = upstream;
  if (endpoint === undefined)
    return journey.end({ outcome: 'passed through', text: `it leaves the mesh for ${host} at ${address}:${port}` });
  const name = `${endpoint.workloadName === '' ? address : endpoint.workloadName}.${endpoint.namespace}`;
  if (endpoint.tlsMode !== 'istio') {
    journey.add({
      place: 'destination',
      topic: 'application',
      decision: `${name} at ${address}:${port} has no sidecar: no policy of the mesh guards it`,
    });
    return journey.end({ outcome: 'delivered', text: `${name} answers` });
  }
  const proxy = proxyBeside(endpoint, snapshot.domain);
  const resources = new ProxyResources(snapshot, proxy);
  const listener = resources.listener('virtualInbound');
  if (listener === undefined) return journey.end({ outcome: 'delivered', text: `${name} answers` });
  const tls = upstream.tls !== undefined;
  const connection = {
    destinationAddress: address,
    destinationPort: port,
    sourceAddress: arrival.sourceAddress,
    serverName: tls ? (upstream.tls?.sni ?? '') : '',
    tls,
    applicationProtocols: tls ? MESH_ALPN : ['http/1.1'],
  };
  const mutual = peerAuthenticationOf(snapshot, proxy.namespace, proxy.labels);
  const mode = mutual.modeOf(port);
  const identity = tls ? arrival.identity : undefined;
  journey.add({
    place: 'destination',
    topic: 'identity',
    decision: `${name} takes ${modeText(mode)}; the caller ${identity === undefined ? 'proves no identity' : `is ${identity}`}`,
    origins: mutual.sources.map((source) => referenceTo(source, 'spec.mtls.mode')),
  });
  const chain = chooseChain(listener, connection, journey, 'destination');
  if (chain === undefined)
    return journey.end({
      outcome: 'reset',
      text:
        mode === 'STRICT' && !tls
          ? `${name} wants mTLS (STRICT) and closes the connection of a caller in plain text`
          : `${name} closes the connection`,
      origins: mutual.sources.map((source) => referenceTo(source, 'spec.mtls.mode')),
    });
  const info = streamInfo({ ...connection, identity, direction: 'inbound', listener: listener.name });
  const next = throughChain(chain, { snapshot, resources, call, request, info, place: 'destination', journey });
  if (!('cluster' in next)) return journey.end(next);
  const local = chooseUpstream(snapshot, resources, next.cluster, { address, port }, journey, 'destination');
  const at = local === undefined ? `${address}:${port}` : `${local.address}:${local.port}`;
  journey.add({
    place: 'destination',
    topic: 'application',
    decision: `the application of ${name} gets ${next.request.method} ${next.request.path} at ${at}`,
  });
  return journey.end({ outcome: 'delivered', text: `${name} answers` });
}

function modeText(mode: string): string {
  if (mode === 'STRICT') return 'mTLS only (STRICT)';
  return mode === 'DISABLE' ? 'plain text only (DISABLE)' : 'mTLS and plain text (PERMISSIVE)';
}
