import {
  type ClientConnection,
  type CodecOutput,
  createHttp1ClientConnection,
  createHttp1ServerConnection,
  createHttp2ClientConnection,
  createHttp2ServerConnection,
  type Http1ClientOptions,
  type Http1ServerOptions,
  type Http2Options,
  type ServerConnection,
  type ServerConnectionHandler,
} from '@xebec/wire';
import { TcpClientConnection } from '../clusters/tcp-client-codec.ts';
import type { Http2Settings } from './http2-options.ts';

export type HttpProtocol = 'http1' | 'http2';
/** `tcp`: the body of a request alone, as bytes. */
export type UpstreamProtocol = HttpProtocol | 'tcp';

const now = () => performance.now();

function timed({ keepalive, ...settings }: Http2Settings): Http2Options {
  if (keepalive === undefined) return { ...settings, now };
  const after = (fn: () => void, delayMs: number) => {
    const timer = setTimeout(fn, delayMs);
    return () => clearTimeout(timer);
  };
  return { ...settings, now, keepalive: { ...keepalive, setTimeout: after } };
}

/** What a cluster says of its connections' codecs. */
export interface ClientCodecOptions {
  readonly http1?: Http1ClientOptions;
  readonly http2?: Http2Settings;
  /** What a connection for a tunnel begins with. */
  readonly preamble?: Buffer | undefined;
}

export function createClientCodec(protocol: UpstreamProtocol, output: CodecOutput, options: ClientCodecOptions = {}): ClientConnection {
  if (protocol === 'tcp') return new TcpClientConnection(output, options.preamble);
  return protocol === 'http2'
    ? createHttp2ClientConnection(output, timed(options.http2 ?? {}))
    : createHttp1ClientConnection(output, options.http1);
}

export function createServerCodec(
  protocol: HttpProtocol,
  output: CodecOutput,
  handler: ServerConnectionHandler,
  http1: Http1ServerOptions,
  http2: Http2Settings,
): ServerConnection {
  return protocol === 'http2'
    ? createHttp2ServerConnection(output, handler, timed(http2))
    : createHttp1ServerConnection(output, handler, http1);
}
