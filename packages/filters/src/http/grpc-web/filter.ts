import { grpcStatusOf, type StatsScope } from '@xebec/telemetry';
import { type HeaderList, header, type ResponseHead, removeHeader, setHeader } from '@xebec/wire';
import type { HttpFilter, HttpFilterCallbacks } from '../../http-filter.ts';
import { Base64Reader, FrameCutter, trailersFrame } from './frames.ts';

const GRPC = 'application/grpc';
const binary = new Set(['application/grpc-web', 'application/grpc-web+proto']);
const text = new Set(['application/grpc-web-text', 'application/grpc-web-text+proto']);
/** More of a message than this helps nobody, and headers are limited. */
const MAX_MESSAGE_BYTES = 16 * 1024;
const MAX_FRAME_BYTES = 64 * 1024 * 1024;

const pass: HttpFilter = {};

/** Lets browsers call gRPC services: gRPC-Web in, gRPC out. */
export function createGrpcWebFilter(stats: StatsScope, callbacks: HttpFilterCallbacks): HttpFilter {
  const type = header(callbacks.request.headers, 'content-type') ?? '';
  if (callbacks.request.path === '' || (!binary.has(type) && !text.has(type))) return pass;
  const textRequest = text.has(type);
  const textResponse = text.has(header(callbacks.request.headers, 'accept') ?? '');
  const reader = textRequest ? new Base64Reader() : undefined;
  const cutter = textResponse ? new FrameCutter(MAX_FRAME_BYTES) : undefined;
  let status: string | undefined;
  let foreign: { readonly head: ResponseHead; readonly body: Buffer[]; size: number } | undefined;
  const refuse = (details: string) => {
    // The client is no gRPC client: what it gets is plain HTTP.
    setHeader(callbacks.request.headers, 'content-type', type);
    callbacks.sendLocalReply({ status: 400, body: 'Bad gRPC-web request, invalid base64 data.', details });
    return 'stop' as const;
  };

  return {
    onRequestHead(head) {
      removeHeader(head.headers, 'content-length');
      setHeader(head.headers, 'content-type', GRPC);
      setHeader(head.headers, 'te', 'trailers');
      setHeader(head.headers, 'grpc-accept-encoding', 'identity');
      return 'continue';
    },
    onRequestData(data, endStream) {
      if (reader === undefined) return 'continue';
      const bytes = reader.push(data);
      if (bytes === undefined) return refuse('grpc_base_64_decode_failed');
      if (endStream && !reader.complete) return refuse('grpc_base_64_decode_failed_bad_size');
      return bytes;
    },
    onResponseHead(head, endStream) {
      status ??= header(head.headers, 'grpc-status');
      const responseType = header(head.headers, 'content-type') ?? '';
      const isGrpc = responseType.startsWith(GRPC);
      setHeader(head.headers, 'content-type', textResponse ? 'application/grpc-web-text+proto' : 'application/grpc-web+proto');
      if (endStream || isGrpc || status !== undefined) return 'continue';
      // An answer of something that is no gRPC server: its text becomes the message of a gRPC error.
      foreign = { head, body: [], size: 0 };
      return 'stop';
    },
    onResponseData(data, endStream) {
      if (foreign !== undefined) {
        if (foreign.size < MAX_MESSAGE_BYTES) foreign.body.push(data);
        foreign.size += data.length;
        if (endStream) finishForeign(foreign.head, foreign.body);
        return endStream ? Buffer.alloc(0) : 'taken';
      }
      if (cutter === undefined) return 'continue';
      const frames = cutter.push(data);
      if (frames === undefined) return 'continue';
      return Buffer.from(frames.map((frame) => frame.toString('base64')).join(''), 'latin1');
    },
    onResponseTrailers(trailers: HeaderList) {
      status ??= header(trailers, 'grpc-status');
      const frame = trailersFrame(trailers);
      trailers.length = 0;
      return textResponse ? Buffer.from(frame.toString('base64'), 'latin1') : frame;
    },
    onComplete() {
      const cluster = callbacks.info.upstreamCluster;
      const [, service = '', method = ''] = (callbacks.request.path.split('?')[0] ?? '').split('/');
      if (cluster === '' || service === '' || method === '' || status === undefined) return;
      const scope = stats.scope(`cluster.${cluster}`);
      scope.counter(`grpc-web.${service}.${method}.${status === '0' ? 'success' : 'failure'}`).add(1);
      scope.counter(`grpc-web.${service}.${method}.total`).add(1);
    },
  };
}

function finishForeign(head: ResponseHead, body: readonly Buffer[]): void {
  const message = Buffer.concat(body).subarray(0, MAX_MESSAGE_BYTES);
  setHeader(head.headers, 'content-length', '0');
  setHeader(head.headers, 'grpc-status', String(grpcStatusOf(head.status)));
  if (message.length > 0) setHeader(head.headers, 'grpc-message', percentEncode(message));
}

/** grpc-message is percent-encoded: printable ASCII but `%` stays (gRPC over HTTP/2, Responses). */
function percentEncode(message: Buffer): string {
  let out = '';
  for (const byte of message)
    out +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25 ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  return out;
}
