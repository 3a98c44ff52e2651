import { fieldCaseOf, type PreserveCase } from '../field-cases.ts';
import type { ResponseHead } from '../http.ts';
import type { BodyFraming } from './body-decoder.ts';
import { hasToken } from './fields.ts';
import type { FieldsReader } from './fields-reader.ts';
import { properCaseWords } from './options.ts';

export interface ParsedResponse {
  readonly head: ResponseHead;
  readonly framing: BodyFraming;
  readonly keepAlive: boolean;
  /** 1xx other than 101: another head follows. */
  readonly interim: boolean;
  /** 101, or 2xx to CONNECT: bytes flow raw from here. */
  readonly tunnel: boolean;
}

/** Parses a response's status line and header section, without the empty line (RFC 9112 sections 4 and 6.3). */
export function parseResponseHead(
  text: string,
  maxHeadersCount: number,
  requestMethod: string,
  reader: FieldsReader,
  allowChunkedLength = false,
  preserveCase?: PreserveCase,
): ParsedResponse | string {
  const lineFeed = text.indexOf('\n');
  if (lineFeed >= 0 && text.charCodeAt(lineFeed - 1) !== 13) return 'line ends in a bare LF';
  const lineEnd = lineFeed < 0 ? text.length : lineFeed - 1;
  const status = statusOf(text, lineEnd);
  if (status === -1) return 'malformed status line';
  const fields = reader.read(unfolded(text), lineEnd + 2, maxHeadersCount, allowChunkedLength);
  if (typeof fields === 'string') return fields;
  const { connection, upgrade } = fields;
  if (status === 204 || status < 200) {
    if (fields.contentLength > 0) return 'content-length in an answer without body';
    if (fields.chunked) return 'transfer-encoding in an answer without body';
  }
  const head: ResponseHead = { status, headers: fields.headers };
  if (preserveCase !== undefined) {
    head.fieldCase = fieldCaseOf(text.slice(lineEnd + 2), preserveCase.properCaseForOthers ? properCaseWords : undefined);
    if (preserveCase.keepsReason) head.reason = text.slice(13, lineEnd);
  }
  const http11 = text.charCodeAt(7) === 49 && text.charCodeAt(5) === 49;
  const keepAlive = http11 ? !hasToken(connection, 'close') && !fields.proxyClose : hasToken(connection, 'keep-alive');
  if (status === 101) {
    if (fields.connectionText !== '') head.headers.push('connection', fields.connectionText);
    if (upgrade !== undefined) head.headers.push('upgrade', upgrade);
    return { head, framing: 0, keepAlive: false, interim: false, tunnel: true };
  }
  if (status < 200) return { head, framing: 0, keepAlive, interim: true, tunnel: false };
  if (requestMethod === 'CONNECT' && status < 300) return { head, framing: 0, keepAlive: false, interim: false, tunnel: true };
  let framing: BodyFraming;
  if (requestMethod === 'HEAD' || status === 204 || status === 304) framing = 0;
  else if (fields.chunked) framing = 'chunked';
  else framing = fields.contentLength >= 0 ? fields.contentLength : 'until-close';
  return { head, framing, keepAlive, interim: false, tunnel: false };
}

/** A field's continuation lines become one line with it: allowed in answers (RFC 9112 section 5.2). */
function unfolded(text: string): string {
  return text.includes('\r\n ') || text.includes('\r\n\t') ? text.replace(/[ \t]*\r\n[ \t]+/g, ' ') : text;
}

/** The status of a line `HTTP/x.y NNN` that ends at `end` or goes on with a space; -1 when it is none. */
function statusOf(text: string, end: number): number {
  if (
    !text.startsWith('HTTP/') ||
    text.charCodeAt(6) !== 46 ||
    end < 12 ||
    text.charCodeAt(8) !== 32 ||
    (end > 12 && text.charCodeAt(12) !== 32)
  )
    return -1;
  const major = text.charCodeAt(5) - 48;
  const minor = text.charCodeAt(7) - 48;
  const hundreds = text.charCodeAt(9) - 48;
  const tens = text.charCodeAt(10) - 48;
  const ones = text.charCodeAt(11) - 48;
  // Another version's number is read over, as Envoy does it.
  if (major < 0 || major > 9 || minor < 0 || minor > 9 || hundreds < 1 || hundreds > 9 || tens < 0 || tens > 9 || ones < 0 || ones > 9)
    return -1;
  return hundreds * 100 + tens * 10 + ones;
}
