import { type HeaderList, header, type RequestHead, type ResponseHead, removeHeader, setHeader } from '@xebec/wire';
import type { FilterStatus, HttpFilter, HttpFilterCallbacks } from '../../http-filter.ts';
import type { PeerDecoder } from '../../peer/peer-decoder.ts';
import {
  downstreamPeerKey,
  peerFromEndpoint,
  peerMetadataHeader,
  peerMetadataIdHeader,
  upstreamPeerKey,
  type WorkloadPeer,
} from '../../peer/workload-peer.ts';

export interface MetadataExchangeConfig {
  readonly discoverDownstream: boolean;
  readonly discoverUpstream: boolean;
  readonly propagateDownstream: boolean;
  readonly propagateUpstream: boolean;
  readonly skipExternalClusters: boolean;
  readonly ownMetadata: string;
  readonly ownId: string;
  readonly peers: PeerDecoder;
}

const externalClusters = new Set(['PassthroughCluster', 'BlackHoleCluster']);

/** One stream's part in it: learns who is at either end, and introduces this proxy. */
export class MetadataExchangeFilter implements HttpFilter {
  readonly #config: MetadataExchangeConfig;
  readonly #callbacks: HttpFilterCallbacks;
  #introduced = false;

  constructor(config: MetadataExchangeConfig, callbacks: HttpFilterCallbacks) {
    this.#config = config;
    this.#callbacks = callbacks;
  }
  onRequestHead(head: RequestHead): FilterStatus {
    const config = this.#config;
    if (config.discoverDownstream) {
      const { headers } = head;
      this.#introduced = header(headers, peerMetadataHeader) !== undefined || header(headers, peerMetadataIdHeader) !== undefined;
      const peer = this.#introduced ? take(headers, config.peers) : undefined;
      if (peer !== undefined) this.#callbacks.info.filterState.set(downstreamPeerKey, peer);
    }
    if (config.propagateUpstream && !(config.skipExternalClusters && this.#goesOutside)) propagate(head.headers, config);
    return 'continue';
  }
  onResponseHead(head: ResponseHead): FilterStatus {
    const config = this.#config;
    if (config.discoverUpstream) {
      const { info } = this.#callbacks;
      const peer = take(head.headers, config.peers) ?? peerFromEndpoint(info.upstreamHostMetadata);
      if (peer !== undefined) info.filterState.set(upstreamPeerKey, peer);
    }
    // Only who introduced itself is answered: others would pass our headers on to their users.
    if (config.propagateDownstream && this.#introduced) propagate(head.headers, config);
    return 'continue';
  }
  get #goesOutside(): boolean {
    return externalClusters.has(this.#callbacks.route()?.clusterName ?? '');
  }
}

/** Reads and removes the peer's headers: applications never see them. */
function take(headers: HeaderList, peers: PeerDecoder): WorkloadPeer | undefined {
  const value = header(headers, peerMetadataHeader);
  removeHeader(headers, peerMetadataIdHeader);
  if (value === undefined) return undefined;
  removeHeader(headers, peerMetadataHeader);
  return peers.decode(value);
}

function propagate(headers: HeaderList, config: MetadataExchangeConfig): void {
  setHeader(headers, peerMetadataIdHeader, config.ownId);
  setHeader(headers, peerMetadataHeader, config.ownMetadata);
}
