import { isToken } from '../field-name.ts';
import type { RequestHead } from '../http.ts';
import type { BodyFraming } from './body-decoder.ts';
import { type Fields, hasToken, parseFields, removeConnectionNamed, tooManyHeaders } from './fields.ts';

export interface ParsedRequest {
  readonly head: RequestHead;
  readonly framing: BodyFraming;
  /** The client lets the connection go on after this exchange. */
  readonly keepAlive: boolean;
  /** `expect: 100-continue`: the body comes only after a 100. */
  readonly expectsContinue: boolean;
  /** CONNECT or an upgrade: bytes flow raw once it is granted. */
  readonly tunnel: boolean;
}

/** Why a request is refused, with the status of the answer. */
export interface Refusal {
  readonly status: number;
  readonly detail: string;
}

const targetPattern = /^[\x21-\x7e\x80-\xff]+$/;
const authorityPattern = /^[A-Za-z0-9\-._~%!$&'()*+,;=:[\]@]*$/;
const absolutePattern = /^(https?|wss?):\/\/([^/?#]*)(.*)$/i;

/** Parses a request's start line and header section, without the empty line (RFC 9112 sections 3 and 5). */
export function parseRequestHead(text: string, maxHeadersCount: number, scheme: string, acceptHttp10: boolean): ParsedRequest | Refusal {
  const first = text.indexOf(' ');
  const second = text.indexOf(' ', first + 1);
  let lineEnd = text.indexOf('\r\n');
  if (lineEnd < 0) lineEnd = text.length;
  if (first <= 0 || second < 0 || second >= lineEnd) return refusal('malformed request line');
  const method = text.slice(0, first);
  const target = text.slice(first + 1, second);
  const version = text.slice(second + 1, lineEnd);
  if (method.length > 64 || !isToken(method)) return refusal('invalid method');
  if (!targetPattern.test(target)) return refusal('invalid request target');
  if (version !== 'HTTP/1.1' && version !== 'HTTP/1.0') {
    return /^HTTP\/[0-9]\.[0-9]$/.test(version) ? refusal('unsupported HTTP version', 505) : refusal('malformed request line');
  }
  if (version === 'HTTP/1.0' && !acceptHttp10) return refusal('HTTP/1.0 is not accepted', 426);
  const fields = parseFields(text, lineEnd + 2, maxHeadersCount);
  if (typeof fields === 'string') return refusal(fields, fields === tooManyHeaders ? 431 : 400);
  if (version === 'HTTP/1.0' && fields.chunked) return refusal('transfer-encoding in HTTP/1.0');
  if (version === 'HTTP/1.1' && fields.host === undefined) return refusal('missing host header');
  if (!authorityPattern.test(fields.host ?? '')) return refusal('invalid host header');

  const where = resolveTarget(method, target, fields, scheme);
  if (typeof where === 'string') return refusal(where);
  const connection = fields.connection;
  const upgrade = upgradeOf(fields);
  removeConnectionNamed(fields);
  const head: RequestHead = { method, ...where, headers: fields.headers, version };
  if (upgrade !== undefined && version === 'HTTP/1.1') head.upgrade = upgrade;
  if (method === 'CONNECT' && (fields.chunked || fields.contentLength > 0)) return refusal('CONNECT with a body');
  const framing: BodyFraming = fields.chunked ? 'chunked' : Math.max(fields.contentLength, 0);
  if (head.upgrade !== undefined && framing !== 0) delete head.upgrade;
  return {
    head,
    framing,
    keepAlive: version === 'HTTP/1.1' ? !hasToken(connection, 'close') : hasToken(connection, 'keep-alive'),
    expectsContinue: version === 'HTTP/1.1' && expectsContinue(fields.headers),
    tunnel: method === 'CONNECT' || head.upgrade !== undefined,
  };
}

function resolveTarget(
  method: string,
  target: string,
  fields: Fields,
  scheme: string,
): { path: string; authority: string; scheme: string } | string {
  const host = fields.host ?? '';
  if (method === 'CONNECT') {
    return authorityPattern.test(target) && !target.startsWith('/') ? { path: '', authority: target, scheme } : 'invalid CONNECT target';
  }
  if (target.charCodeAt(0) === 47) return { path: target, authority: host, scheme };
  if (target === '*') return method === 'OPTIONS' ? { path: '*', authority: host, scheme } : 'asterisk-form outside of OPTIONS';
  const absolute = absolutePattern.exec(target);
  if (absolute === null) return 'invalid request target';
  const [, uriScheme = scheme, authority = '', rest = ''] = absolute;
  if (authority === '' || authority.includes('@') || !authorityPattern.test(authority)) return 'invalid authority in request target';
  const path = rest.startsWith('/') ? rest : rest === '' && method === 'OPTIONS' ? '*' : `/${rest}`;
  return { path, authority, scheme: uriScheme.toLowerCase().replace('ws', 'http') };
}

/** The protocol asked for; an h2c upgrade is answered in HTTP/1.1, which RFC 9110 section 7.8 allows and RFC 9113 expects. */
function upgradeOf(fields: Fields): string | undefined {
  if (fields.upgrade === undefined || !hasToken(fields.connection, 'upgrade')) return undefined;
  const wanted = fields.upgrade.toLowerCase();
  return wanted === 'h2c' || wanted === '' ? undefined : wanted;
}

function expectsContinue(headers: readonly string[]): boolean {
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] === 'expect') return (headers[i + 1] as string).toLowerCase() === '100-continue';
  }
  return false;
}

function refusal(detail: string, status = 400): Refusal {
  return { status, detail };
}
