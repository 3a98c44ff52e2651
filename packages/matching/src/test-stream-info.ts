import { type ConnectionInfo, createStreamInfo, type StreamInfo } from '@xebec/telemetry';
import type { RequestHead } from '@xebec/wire';

/** A StreamInfo for specs: a plain connection from 127.0.0.1. */
export function testStreamInfo(connection: Partial<ConnectionInfo> = {}): StreamInfo {
  const base: ConnectionInfo = {
    id: 1,
    remoteAddress: '127.0.0.1',
    remotePort: 40000,
    localAddress: '127.0.0.1',
    localPort: 8080,
    requestedServerName: '',
    listenerName: 'listener',
    filterChainName: '',
    direction: 'unspecified',
  };
  return createStreamInfo({ ...base, ...connection }, 0, 0);
}

/** `GET http://host/path` with headers given as names and values in turn. */
export function testRequest(path: string, authority: string, headers: string[] = [], method = 'GET'): RequestHead {
  return { method, path, authority, scheme: 'http', headers, version: 'HTTP/1.1' };
}
