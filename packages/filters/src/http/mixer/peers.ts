import type { ConnectionInfo, PeerCertificate, StreamInfo } from '@xebec/telemetry';
import type { FilterContext } from '../../http-filter.ts';
import {
  downstreamPeerKey,
  peerFromEndpoint,
  peerFromMetadata,
  peerInState,
  upstreamPeerKey,
  type WorkloadPeer,
} from '../../peer/workload-peer.ts';

/** The workload at the other end. `named`: its pod is known too, not only its workload. */
export interface KnownPeer {
  readonly peer: WorkloadPeer;
  readonly named: boolean;
  /** Its labels as names and values in turn. */
  readonly labels: readonly string[];
}

/** A caller whose certificate the proxy has verified. */
export interface Caller {
  /** SPIFFE ID without its scheme, as Mixer's principals are. */
  readonly principal: string;
  /** Undefined where the ID is not one of a workload. */
  readonly namespace: string | undefined;
}

/** What this proxy knows of itself. */
export interface ProxySide {
  readonly inbound: boolean;
  readonly own: WorkloadPeer;
  /** `kubernetes://pod.namespace`; empty when the node does not say. */
  readonly ownUid: string;
}

export function proxySide(context: FilterContext): ProxySide {
  const own = peerFromMetadata(context.node.metadata);
  return { inbound: context.direction !== 'outbound', own, ownUid: uidOf(own) };
}

export function uidOf({ name, namespace }: WorkloadPeer): string {
  return name === '' || namespace === '' ? '' : `kubernetes://${name}.${namespace}`;
}

const callers = new WeakMap<PeerCertificate, Caller | null>();

/** Who calls, by the certificate; undefined for callers that showed none or one that names no workload. */
export function callerOf({ tls }: ConnectionInfo): Caller | undefined {
  const certificate = tls?.peer;
  if (certificate === undefined) return undefined;
  let caller = callers.get(certificate);
  if (caller === undefined) {
    caller = readCaller(certificate);
    callers.set(certificate, caller);
  }
  return caller ?? undefined;
}

function readCaller({ uriSans }: PeerCertificate): Caller | null {
  const principal = withoutScheme(uriSans[0]);
  if (principal === undefined) return null;
  return { principal, namespace: /^[^/]+\/ns\/([^/]+)\/sa\/[^/]+$/.exec(principal)?.[1] };
}

export const withoutScheme = (uri: string | undefined) => uri?.replace(/^spiffe:\/\//, '');

/**
 * Who called, as the peer's proxy says. Anyone can send those headers, so they count only from a caller whose certificate has the same
 * namespace: policies by `source.namespace` or `source.labels` must not believe strangers.
 */
export function downstreamPeer(info: StreamInfo): KnownPeer | undefined {
  if (info.hasFilterState === false) return undefined;
  const peer = peerInState(info.filterState, downstreamPeerKey);
  if (peer === undefined) return undefined;
  const caller = callerOf(info.connection);
  return caller === undefined || caller.namespace !== peer.namespace ? undefined : known(peer, true);
}

/** Who was called: what the upstream said of itself, or what the control plane said of the endpoint. */
export function upstreamPeer(info: StreamInfo): KnownPeer | undefined {
  const endpoint = peerFromEndpoint(info.upstreamHostMetadata);
  const told = info.hasFilterState === false ? undefined : peerInState(info.filterState, upstreamPeerKey);
  if (told !== undefined && told !== endpoint) return known(told, true);
  return endpoint === undefined ? undefined : known(endpoint, false);
}

const knownPeers = new WeakMap<WorkloadPeer, KnownPeer>();

function known(peer: WorkloadPeer, named: boolean): KnownPeer {
  const before = knownPeers.get(peer);
  if (before !== undefined) return before;
  const made = { peer, named, labels: Object.entries(peer.labels).flat() };
  knownPeers.set(peer, made);
  return made;
}

export function namespaceOfPrincipal(principal: string | undefined): string | undefined {
  return principal === undefined ? undefined : /^[^/]+\/ns\/([^/]+)\/sa\//.exec(principal)?.[1];
}
