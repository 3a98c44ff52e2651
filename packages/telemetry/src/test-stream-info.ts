import { createStreamInfo } from './create-stream-info.ts';
import type { ConnectionInfo, StreamInfo } from './stream-info.ts';

/** A finished request for specs: 200 through an inbound cluster, 7 ms. */
export function testStreamInfo(changes: Partial<StreamInfo> = {}, connection: Partial<ConnectionInfo> = {}): StreamInfo {
  const base: ConnectionInfo = {
    id: 3,
    remoteAddress: '10.0.0.1',
    remotePort: 40000,
    localAddress: '10.0.0.2',
    localPort: 9080,
    requestedServerName: '',
    listenerName: 'l',
    filterChainName: '',
    direction: 'inbound',
  };
  return Object.assign(createStreamInfo({ ...base, ...connection }, Date.UTC(2026, 10, 21, 4, 5, 6, 78), 0), {
    protocol: 'HTTP/1.1',
    responseCode: 200,
    responseCodeDetails: 'via_upstream',
    bytesReceived: 1,
    bytesSent: 2,
    durationMs: 7.4,
    routeName: 'default',
    upstreamCluster: 'inbound|9080||',
    upstreamHost: '127.0.0.1:9080',
    upstreamLocalAddress: '127.0.0.6:1234',
    ...changes,
  });
}
