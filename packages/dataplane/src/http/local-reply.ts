import { isGrpcRequest } from '@xebec/matching';
import { grpcStatusOf } from '@xebec/telemetry';
import { type HeaderList, header, type RequestHead, type ResponseHead, removeHeader } from '@xebec/wire';

export interface ReplyMessage {
  readonly head: ResponseHead;
  readonly body: Buffer;
}

const empty = Buffer.alloc(0);

/**
 * The response for a status and text: a trailers-only gRPC response when the request is gRPC, plain text otherwise, or of the type
 * that is given.
 */
export function replyMessage(
  request: RequestHead | undefined,
  status: number,
  text: string | Buffer,
  headers: HeaderList | undefined,
  grpcStatus: number | undefined,
  contentType?: string,
  isGrpc = request !== undefined && isGrpcRequest(request),
): ReplyMessage {
  const own = headers ?? [];
  if (isGrpc) {
    // Formats in JSON end with a line feed, which no header may have.
    const whole = typeof text === 'string' ? text : text.toString();
    const message = contentType === 'application/json' ? whole.replace(/\n$/, '') : whole;
    const list = ['content-type', 'application/grpc', 'grpc-status', String(grpcStatus ?? grpcStatusOf(status))];
    if (message !== '' && request?.method !== 'HEAD') list.push('grpc-message', percentEncode(message));
    return { head: { status: 200, headers: [...list, ...withoutType(own)] }, body: empty };
  }
  const body = typeof text === 'string' ? (text === '' ? empty : Buffer.from(text)) : text;
  if (body.length === 0) return { head: { status, headers: withoutType(own) }, body };
  const list: HeaderList = ['content-length', String(body.length)];
  if (contentType !== undefined) {
    list.push('content-type', contentType, ...withoutType(own));
    return { head: { status, headers: list }, body: request?.method === 'HEAD' ? empty : body };
  }
  if (!own.includes('content-type')) list.push('content-type', 'text/plain');
  return { head: { status, headers: [...list, ...own] }, body: request?.method === 'HEAD' ? empty : body };
}

/** The proxy knows better what type it sends: nothing, or gRPC. */
function withoutType(headers: HeaderList): HeaderList {
  if (header(headers, 'content-type') === undefined) return headers;
  const kept = [...headers];
  removeHeader(kept, 'content-type');
  return kept;
}

/** grpc-message is percent-encoded: printable ASCII but `%` stays (gRPC over HTTP/2, Responses). */
function percentEncode(message: string): string {
  let out = '';
  for (const byte of Buffer.from(message)) {
    out +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25 ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}
