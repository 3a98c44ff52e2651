import type { ConnectionInfo, StreamInfo } from '@xebec/telemetry';
import type { RequestHead } from '@xebec/wire';

/** A StreamInfo for specs: a plain connection from 127.0.0.1. */
export function testStreamInfo(connection: Partial<ConnectionInfo> = {}): StreamInfo {
  return {
    connection: {
      id: 1,
      remoteAddress: '127.0.0.1',
      remotePort: 40000,
      localAddress: '127.0.0.1',
      localPort: 8080,
      requestedServerName: '',
      listenerName: 'listener',
      filterChainName: '',
      direction: 'unspecified',
      ...connection,
    },
    startTimeMs: 0,
    startMonotonicMs: 0,
    protocol: 'HTTP/1.1',
    responseCode: 0,
    responseCodeDetails: '',
    responseFlags: new Set(),
    connectionTerminationDetails: '',
    bytesReceived: 0,
    bytesSent: 0,
    durationMs: -1,
    requestDurationMs: -1,
    responseDurationMs: -1,
    routeName: '',
    virtualHostName: '',
    upstreamCluster: '',
    upstreamHost: '',
    upstreamLocalAddress: '',
    upstreamTransportFailureReason: '',
    upstreamPeer: undefined,
    upstreamTls: false,
    attemptCount: 0,
    upstreamServiceTimeMs: -1,
    dynamicMetadata: new Map(),
    filterState: new Map(),
  };
}

/** `GET http://host/path` with headers given as names and values in turn. */
export function testRequest(path: string, authority: string, headers: string[] = [], method = 'GET'): RequestHead {
  return { method, path, authority, scheme: 'http', headers, version: 'HTTP/1.1' };
}
