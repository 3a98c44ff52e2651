import { type HeaderList, header, removeHeader, setHeader } from '@xebec/wire';
import type { HttpFilter, HttpFilterCallbacks } from '../../http-filter.ts';
import {
  decodePeerMetadata,
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
}

const externalClusters = new Set(['PassthroughCluster', 'BlackHoleCluster']);

export function createMetadataExchangeFilter(config: MetadataExchangeConfig, callbacks: HttpFilterCallbacks): HttpFilter {
  const { info } = callbacks;
  let peerSentHeaders = false;
  return {
    onRequestHead(head) {
      if (config.discoverDownstream) {
        peerSentHeaders =
          header(head.headers, peerMetadataHeader) !== undefined || header(head.headers, peerMetadataIdHeader) !== undefined;
        const peer = take(head.headers);
        if (peer !== undefined) info.filterState.set(downstreamPeerKey, peer);
      }
      if (config.propagateUpstream && !(config.skipExternalClusters && externalClusters.has(callbacks.route()?.clusterName ?? ''))) {
        propagate(head.headers, config);
      }
      return 'continue';
    },
    onResponseHead(head) {
      if (config.discoverUpstream) {
        const peer = take(head.headers) ?? peerFromEndpoint(info.upstreamHostMetadata);
        if (peer !== undefined) info.filterState.set(upstreamPeerKey, peer);
      }
      // Only who introduced itself is answered: others would pass our headers on to their users.
      if (config.propagateDownstream && peerSentHeaders) propagate(head.headers, config);
      return 'continue';
    },
  };
}

/** Reads and removes the peer's headers: applications never see them. */
function take(headers: HeaderList): WorkloadPeer | undefined {
  const value = header(headers, peerMetadataHeader);
  removeHeader(headers, peerMetadataIdHeader);
  if (value === undefined) return undefined;
  removeHeader(headers, peerMetadataHeader);
  return decodePeerMetadata(value);
}

function propagate(headers: HeaderList, config: MetadataExchangeConfig): void {
  setHeader(headers, peerMetadataIdHeader, config.ownId);
  setHeader(headers, peerMetadataHeader, config.ownMetadata);
}
