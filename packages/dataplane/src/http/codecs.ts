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
import type { Http2Settings } from './http2-options.ts';

export type HttpProtocol = 'http1' | 'http2';

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
}

export function createClientCodec(protocol: HttpProtocol, output: CodecOutput, options: ClientCodecOptions = {}): ClientConnection {
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
