export { ByteMeter, fieldBytesOf } from './byte-meter.ts';
export { type ClientHello, parseClientHello } from './client-hello.ts';
export type { FieldCase, PreserveCase } from './field-cases.ts';
export { encodeGrpcFrame, type GrpcFrame, GrpcFrameReader } from './grpc-frames.ts';
export { HpackDecoder } from './hpack/decoder.ts';
export {
  type ClientConnection,
  type ClientStream,
  type CodecOutput,
  type HeaderList,
  type HttpVersion,
  header,
  headerJoined,
  type RefusalAnswer,
  type RefusedRequest,
  type RequestHead,
  type RequestReceiver,
  type ResetReason,
  type ResponseHead,
  type ResponseReceiver,
  removeHeader,
  type ServerConnection,
  type ServerConnectionHandler,
  type ServerStream,
  type StreamReceiver,
  setHeader,
} from './http.ts';
export { createHttp1ClientConnection } from './http1/client-connection.ts';
export { type Http1ClientOptions, type Http1Options, type Http1ServerOptions, properCaseWords } from './http1/options.ts';
export { createHttp1ServerConnection } from './http1/server-connection.ts';
export { createHttp2ClientConnection } from './http2/client-connection.ts';
export type { Http2ClientOptions, Http2Options, Http2ServerOptions } from './http2/options.ts';
export { createHttp2ServerConnection } from './http2/server-connection.ts';
export {
  encodeProxyHeader,
  type ProxiedAddresses,
  type ProxyHeader,
  type ProxyHeaderResult,
  type ProxyTlv,
  parseProxyHeader,
} from './proxy-protocol.ts';
export { type SniffedProtocol, sniffProtocol } from './sniff-protocol.ts';
export { beginBatch, currentBatch, endBatch, type Flushable, flushLater } from './write-batch.ts';
