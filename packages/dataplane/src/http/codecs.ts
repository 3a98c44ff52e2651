import {
  type ClientConnection,
  type CodecOutput,
  createHttp1ClientConnection,
  createHttp1ServerConnection,
  createHttp2ClientConnection,
  createHttp2ServerConnection,
  type Http1ServerOptions,
  type Http2ServerOptions,
  type ServerConnection,
  type ServerConnectionHandler,
} from '@xebec/wire';

export type HttpProtocol = 'http1' | 'http2';

const now = () => performance.now();

export function createClientCodec(protocol: HttpProtocol, output: CodecOutput): ClientConnection {
  return protocol === 'http2' ? createHttp2ClientConnection(output, { now }) : createHttp1ClientConnection(output);
}

export function createServerCodec(
  protocol: HttpProtocol,
  output: CodecOutput,
  handler: ServerConnectionHandler,
  http1: Http1ServerOptions,
  http2: Http2ServerOptions,
): ServerConnection {
  return protocol === 'http2'
    ? createHttp2ServerConnection(output, handler, { ...http2, now })
    : createHttp1ServerConnection(output, handler, http1);
}
