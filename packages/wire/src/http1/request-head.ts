import { fieldCaseOf, type PreserveCase } from '../field-cases.ts';
import type { RequestHead } from '../http.ts';
import type { BodyFraming } from './body-decoder.ts';
import {
  connectionRejected,
  controlCharacters,
  forbiddenCharacters,
  hasToken,
  namesForbidden,
  otherCoding,
  removeConnectionNamed,
  secondCoding,
  tooManyHeaders,
} from './fields.ts';
import type { FieldsReader } from './fields-reader.ts';
import { properCaseWords } from './options.ts';

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
  /** What was read, where only the host is missing. */
  readonly head?: RequestHead;
}

/** All that Envoy takes. As constants, which compare faster than what was cut from a head. */
const knownMethods = new Map(
  [
    ...['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'CONNECT', 'TRACE', 'QUERY', 'PURGE', 'SEARCH', 'REPORT', 'MERGE'],
    ...['COPY', 'LOCK', 'MKCOL', 'MOVE', 'PROPFIND', 'PROPPATCH', 'UNLOCK', 'BIND', 'REBIND', 'UNBIND', 'ACL', 'MKACTIVITY', 'CHECKOUT'],
    ...['M-SEARCH', 'NOTIFY', 'SUBSCRIBE', 'UNSUBSCRIBE', 'MKCALENDAR', 'LINK', 'UNLINK', 'SOURCE'],
  ].map((name) => [name, name]),
);
/** Where controls stand nothing else is looked at. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const controls = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/;

const targetPattern = /^[\x21-\x7e]+$/;
const authorityPattern = /^[A-Za-z0-9\-._~%!$&'()*+,;=:[\]@]*$/;
const absolutePattern = /^(https?|wss?):\/\/([^/?#]*)(.*)$/i;

/** Parses a request's start line and header section, without the empty line (RFC 9112 sections 3 and 5). */
export function parseRequestHead(
  text: string,
  maxHeadersCount: number,
  scheme: string,
  acceptHttp10: boolean,
  reader: FieldsReader,
  allowAbsoluteUrl: boolean,
  preserveCase?: PreserveCase,
): ParsedRequest | Refusal {
  const first = text.indexOf(' ');
  const second = text.indexOf(' ', first + 1);
  let lineEnd = text.indexOf('\r\n');
  if (lineEnd < 0) lineEnd = text.length;
  const method = first <= 0 ? undefined : knownMethods.get(text.slice(0, first));
  if (method === undefined) return refusal(controls.test(text) ? controlCharacters : 'invalid method');
  // HTTP/0.9 had no version in its line.
  if (second < 0 || second >= lineEnd) return refusal('unsupported HTTP version', 426);
  const target = text.slice(first + 1, second);
  const written = text.slice(second + 1, lineEnd);
  const version = written === 'HTTP/1.1' ? 'HTTP/1.1' : written;
  if (!targetPattern.test(target)) return refusal(controls.test(target) ? controlCharacters : 'invalid request target');
  if (version !== 'HTTP/1.1' && version !== 'HTTP/1.0') {
    return /^HTTP\/[0-9]\.[0-9]$/.test(version) ? refusal('unsupported HTTP version', 426) : refusal('malformed request line');
  }
  if (version === 'HTTP/1.0' && !acceptHttp10) return refusal('HTTP/1.0 is not accepted', 426);
  const fields = reader.read(text, lineEnd + 2, maxHeadersCount);
  if (typeof fields === 'string') {
    if (fields === forbiddenCharacters) return refusal(controls.test(text) ? controlCharacters : fields);
    return refusal(fields, fields === tooManyHeaders ? 431 : fields === otherCoding || fields === secondCoding ? 501 : 400);
  }
  if (version === 'HTTP/1.0' && fields.chunked) return refusal('transfer-encoding in HTTP/1.0');
  if (version === 'HTTP/1.1' && fields.host === undefined) {
    const head: RequestHead = { method, path: target, authority: '', scheme, headers: fields.headers, version };
    return { status: 400, detail: 'missing host header', head };
  }
  if (!authorityPattern.test(fields.host ?? '')) return refusal('invalid host header');

  const { connection, chunked, contentLength } = fields;
  let upgrade = version === 'HTTP/1.1' && fields.upgrade !== undefined ? upgradeOf(fields.upgrade, connection) : undefined;
  if (connection !== '') {
    if (namesForbidden(connection)) return refusal(connectionRejected);
    if (hasToken(connection, 'host')) {
      const head: RequestHead = { method, path: target, authority: '', scheme, headers: fields.headers, version };
      return { status: 400, detail: 'missing host header', head };
    }
    // The next hop reads an upgrade's own connection field.
    if (upgrade === undefined) removeConnectionNamed(fields);
  }
  if (method === 'CONNECT' && chunked) return refusal('CONNECT with transfer-encoding', 501);
  if (method === 'CONNECT' && contentLength > 0) return refusal('CONNECT with a body');
  if (chunked || contentLength > 0) upgrade = undefined;
  const head: RequestHead = { method, path: target, authority: fields.host ?? '', scheme, headers: fields.headers, version, upgrade };
  if (upgrade !== undefined) head.upgradeFields = { connection: fields.connectionText, upgrade: fields.upgrade ?? upgrade };
  if (preserveCase !== undefined)
    head.fieldCase = fieldCaseOf(text.slice(lineEnd + 2), preserveCase.properCaseForOthers ? properCaseWords : undefined);
  // Origin form, the usual case, is the head as it stands.
  const wrong = target.charCodeAt(0) === 47 && method !== 'CONNECT' ? undefined : resolveTarget(head, allowAbsoluteUrl);
  if (wrong !== undefined) return refusal(wrong);
  return {
    head,
    framing: chunked ? 'chunked' : contentLength > 0 ? contentLength : 0,
    keepAlive: !fields.proxyClose && (version === 'HTTP/1.1' ? !hasToken(connection, 'close') : hasToken(connection, 'keep-alive')),
    expectsContinue: version === 'HTTP/1.1' && fields.expectsContinue,
    tunnel: method === 'CONNECT' || upgrade !== undefined,
  };
}

/** Takes apart a target that is not in origin form; returns what is wrong with it. */
function resolveTarget(head: RequestHead, allowAbsoluteUrl: boolean): string | undefined {
  const target = head.path;
  if (head.method === 'CONNECT') {
    if (!authorityPattern.test(target) || !/:\d+$/.test(target)) return 'invalid CONNECT target';
    head.path = '';
    head.authority = target;
    return undefined;
  }
  if (target === '*') return head.method === 'OPTIONS' ? undefined : 'asterisk-form outside of OPTIONS';
  const absolute = absolutePattern.exec(target);
  if (absolute === null) return /^[a-z][a-z\d+.-]*:\/\//i.test(target) ? 'unknown scheme in the request target' : 'invalid request target';
  if (!allowAbsoluteUrl) return undefined;
  const [, scheme = head.scheme, authority = '', rest = ''] = absolute;
  if (authority === '' || authority.includes('@') || !authorityPattern.test(authority) || hasBadPort(authority))
    return 'invalid authority in request target';
  head.path = rest.startsWith('/') ? rest : rest === '' && head.method === 'OPTIONS' ? '*' : `/${rest}`;
  head.authority = authority;
  head.scheme = scheme.toLowerCase().replace('ws', 'http');
  return undefined;
}

/** Whether what follows the colon after the host is no port. */
function hasBadPort(authority: string): boolean {
  const colon = authority.indexOf(':', authority.startsWith('[') ? authority.indexOf(']') : 0);
  if (colon === -1) return false;
  const port = authority.slice(colon + 1);
  return !/^\d{1,5}$/.test(port) || Number(port) > 65_535;
}

/** The protocol asked for; an h2c upgrade is answered in HTTP/1.1, which RFC 9110 section 7.8 allows and RFC 9113 expects. */
function upgradeOf(upgrade: string, connection: string): string | undefined {
  if (!hasToken(connection, 'upgrade')) return undefined;
  const wanted = upgrade.toLowerCase();
  return wanted === 'h2c' ? undefined : wanted;
}

function refusal(detail: string, status = 400): Refusal {
  return { status, detail };
}
