import { type ConnectionInfo, createStreamInfo, type StreamInfo } from '@xebec/telemetry';

/** A downstream connection as matchers and policies see it. */
export interface PeerView {
  readonly sourceAddress: string;
  readonly destinationAddress: string;
  readonly destinationPort: number;
  /** SPIFFE ID that the peer proved; undefined: none. */
  readonly identity: string | undefined;
  /** Empty without TLS. */
  readonly serverName: string;
  readonly direction: ConnectionInfo['direction'];
  readonly listener: string;
}

export function streamInfo(peer: PeerView): StreamInfo {
  const certificate = peer.identity === undefined ? undefined : { uriSans: [peer.identity], dnsSans: [], subject: '', sha256: '', pem: '' };
  const connection: ConnectionInfo = {
    id: 1,
    remoteAddress: peer.sourceAddress,
    remotePort: 40_000,
    localAddress: peer.destinationAddress,
    localPort: peer.destinationPort,
    requestedServerName: peer.serverName,
    listenerName: peer.listener,
    filterChainName: '',
    direction: peer.direction,
    ...(certificate === undefined ? {} : { tls: { version: 'TLSv1.3', cipher: '', alpn: '', peer: certificate } }),
  };
  return createStreamInfo(connection, 0, 0);
}
