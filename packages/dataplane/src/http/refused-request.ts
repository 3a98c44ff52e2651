import type { ConnectionInfo } from '@xebec/telemetry';
import { createStreamInfo, type FormatContext, type StreamInfo } from '@xebec/telemetry';
import { type RefusalAnswer, type RefusedRequest, type RequestHead, type ResponseHead, removeHeader } from '@xebec/wire';
import type { HttpSettings } from './http-settings.ts';
import { replyMessage } from './local-reply.ts';
import { throughFilters } from './refused-stream.ts';
import { finishResponseHead } from './response-headers.ts';

/** The codec's words, where Envoy's details are others than `http1.codec_error`. */
const codes: Readonly<Record<string, string>> = {
  'HTTP/1.0 is not accepted': 'low_version',
  'unsupported HTTP version': 'low_version',
  'missing host header': 'missing_host_header',
  'invalid host header': 'http.invalid_authority',
  'control character in the head': 'http1.invalid_characters',
  'asterisk-form outside of OPTIONS': 'http1.invalid_url',
  'invalid CONNECT target': 'http1.invalid_url',
  'invalid authority in request target': 'http1.invalid_url',
  'unknown scheme in the request target': 'http1.invalid_scheme',
  'connection header that names what may not be removed': 'http1.connection_header_rejected',
  'both content-length and transfer-encoding': 'http1.content_length_and_chunked_not_allowed',
  'transfer-encoding other than chunked': 'http1.invalid_transfer_encoding',
  'more than one transfer-encoding': 'http1.invalid_transfer_encoding',
  'CONNECT with transfer-encoding': 'http1.invalid_transfer_encoding',
  'CONNECT with a body': 'http1.body_disallowed',
  'too many headers': 'http1.too_many_headers',
  'request headers too large': 'http1.headers_too_large',
};

/** Faults that the fields show together; all others are in one field. */
const messageFaults = /^missing |^CONNECT takes|^:path without|^:protocol where|^body differs/;

/** Requests of HTTP/2 that are within its rules and past the limits. */
const overflows: Readonly<Record<string, string>> = {
  'too many headers': 'http2.too_many_headers',
  'request headers too large': 'http2.header_list_size_too_large',
};
const cutOff = 'header block cut off';
const details: Readonly<Record<string, string>> = {
  ...overflows,
  [cutOff]: 'codec_error:The_user_callback_function_failed',
};

/** What Envoy's log says when a stream of HTTP/2 ends by a fault of the client's, by the codec's words. */
export function http2FaultDetails(detail: string): string {
  if (detail === 'body differs from its content-length') return 'http2.remote_reset';
  if (detail === 'padding longer than its frame' || /^frame of [0-9]+ bytes$/.test(detail))
    return 'codec_error:The_user_callback_function_failed';
  return /^invalid |^unknown or repeated pseudo/.test(detail) ? 'http2.invalid.header.field' : 'http2.violation.of.messaging.rule';
}

/** Time limits that pass before a head is whole, by the answer's body. */
export type HeadTimeout = 'stream timeout' | 'request timeout' | 'request header timeout' | 'downstream duration timeout';

const timeouts: Readonly<Record<HeadTimeout, string>> = {
  'stream timeout': 'stream_idle_timeout',
  'request timeout': 'request_overall_timeout',
  'request header timeout': 'request_header_timeout',
  'downstream duration timeout': 'max_duration_timeout',
};

function isTimeout(detail: string): detail is HeadTimeout {
  return Object.hasOwn(timeouts, detail);
}

const bodies: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  426: 'Upgrade Required',
  431: 'Request Header Fields Too Large',
  501: 'Not Implemented',
};

const noHead: RequestHead = { method: '', path: '', authority: '', scheme: '', headers: [], version: 'HTTP/1.1' };

/** Answers, counts and logs a request that the codec could not make one of. `counted`: when its first bytes came. */
export function answerRefused(
  refused: RefusedRequest,
  settings: HttpSettings,
  connection: ConnectionInfo,
  nowMs: number,
  monotonicMs: number,
  counted: boolean,
): RefusalAnswer {
  const { status, head, detail } = refused;
  const noHost = detail === 'missing host header';
  const late = isTimeout(detail);
  const info = createStreamInfo(connection, nowMs, monotonicMs);
  info.protocol = 'HTTP/1.1';
  info.downstreamBytes = refused.bytes;
  info.responseCodeDetails = late ? timeouts[detail] : (codes[detail] ?? 'http1.codec_error');
  if (detail === 'stream timeout') info.responseFlags.add('SI');
  const made = answerOf(status, noHost ? '' : late ? detail : (bodies[status] ?? ''), head, settings, info);
  const { response, body, complete } =
    settings.filters.length === 0
      ? { ...made, complete: undefined }
      : throughFilters(made.response, Buffer.from(made.body), settings, info);
  finishResponseHead(response, head ?? noHead, settings, info, false);
  let log = (): void => undefined;
  // Of a request that is known its own stream tells.
  if (!refused.known) {
    const { stats } = settings;
    if (!counted) {
      stats.rqTotal.add(1);
      stats.rqHttp1.add(1);
    }
    stats.answered(response.status);
    stats.count('downstream_rq_response_before_rq_complete');
    stats.rqRxReset.add(1);
    if (settings.accessLogs.length > 0 || settings.tap.watched) {
      info.responseCode = response.status;
      if (detail !== 'stream timeout' && !noHost && !late) info.responseFlags.add('DPE');
      info.bytesSent = body.length;
      info.durationMs = 0;
      const context: FormatContext = { info, response, accessLogType: 'DownstreamEnd', ...requestOf(head, noHost) };
      log = () => {
        for (const accessLog of settings.accessLogs) accessLog.log(context);
        if (settings.tap.watched) settings.tap.see(context);
      };
    }
  }
  const onWritten = (): void => {
    complete?.();
    log();
  };
  // The codec writes a character for each byte.
  return { status: response.status, headers: response.headers, body: Buffer.from(body).toString('latin1'), onWritten };
}

/** Of a request that HTTP/2 forbids there is a line in the log and nothing else. */
export function logInvalidRequest(
  detail: string,
  settings: HttpSettings,
  connection: ConnectionInfo,
  nowMs: number,
  monotonicMs: number,
): void {
  settings.stats.rqTotal.add(1);
  settings.stats.rqHttp2.add(1);
  settings.stats.rqRxReset.add(1);
  const overflow = overflows[detail] !== undefined;
  if (detail !== cutOff) settings.stats.root.counter(overflow ? 'http2.header_overflow' : 'http2.rx_messaging_error').add(1);
  if (overflow || settings.http2.closesOnInvalidRequest !== true) settings.stats.root.counter('http2.tx_reset').add(1);
  if (settings.accessLogs.length === 0 && !settings.tap.watched) return;
  const info = createStreamInfo(connection, nowMs, monotonicMs);
  info.protocol = 'HTTP/2';
  info.responseCodeDetails =
    details[detail] ?? (messageFaults.test(detail) ? 'http2.violation.of.messaging.rule' : 'http2.invalid.header.field');
  info.responseFlags.add(overflow ? 'DR' : 'DPE');
  const context: FormatContext = { info, accessLogType: 'DownstreamEnd' };
  for (const log of settings.accessLogs) log.log(context);
  if (settings.tap.watched) settings.tap.see(context);
}

function requestOf(head: RequestHead | undefined, noHost: boolean): Pick<FormatContext, 'request'> {
  return head === undefined ? {} : { request: noHost ? { ...head, authority: undefined } : head };
}

/** The answer's head without its length, and the body, as `local_reply_config` will have them. */
function answerOf(
  status: number,
  text: string,
  request: RequestHead | undefined,
  settings: HttpSettings,
  info: StreamInfo,
): { readonly response: ResponseHead; readonly body: string | Buffer } {
  const rewritten = settings.rewriteLocalReply?.(status, [], text, { info, request, traceId: undefined });
  if (rewritten === undefined) return { response: { status, headers: text === '' ? [] : ['content-type', 'text/plain'] }, body: text };
  const { head } = replyMessage(undefined, rewritten.status, rewritten.body, rewritten.headers, undefined, rewritten.contentType);
  removeHeader(head.headers, 'content-length');
  return { response: head, body: rewritten.body };
}
