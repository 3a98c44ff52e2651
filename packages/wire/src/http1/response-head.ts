import type { ResponseHead } from '../http.ts';
import type { BodyFraming } from './body-decoder.ts';
import { hasToken, parseFields, removeConnectionNamed } from './fields.ts';

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
export function parseResponseHead(text: string, maxHeadersCount: number, requestMethod: string): ParsedResponse | string {
  let lineEnd = text.indexOf('\r\n');
  if (lineEnd < 0) lineEnd = text.length;
  const line = /^HTTP\/1\.([01]) ([1-9][0-9]{2})(?: .*)?$/.exec(text.slice(0, lineEnd));
  if (line === null) return 'malformed status line';
  const status = Number(line[2]);
  const fields = parseFields(text, lineEnd + 2, maxHeadersCount);
  if (typeof fields === 'string') return fields;
  const { connection, upgrade } = fields;
  removeConnectionNamed(fields);
  const head: ResponseHead = { status, headers: fields.headers };
  const http10 = line[1] === '0';
  const keepAlive = http10 ? hasToken(connection, 'keep-alive') : !hasToken(connection, 'close');
  if (status === 101) {
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
