import { fieldNameOf, isToken } from '../field-name.ts';
import type { HpackEncoder } from '../hpack/encoder.ts';
import { knownName } from '../hpack/known-name.ts';
import type { HeaderList, RequestHead, ResponseHead } from '../http.ts';
import { joinedIn, joinField, nextSection } from '../joined-fields.ts';

export interface ReceivedHead<Head> {
  readonly head: Head;
  /** -1 without content-length. */
  readonly contentLength: number;
}

/** A message's fields after validation (RFC 9113 section 8). */
interface SplitFields {
  method: string | undefined;
  scheme: string | undefined;
  authority: string | undefined;
  path: string | undefined;
  protocol: string | undefined;
  status: string | undefined;
  headers: HeaderList;
  contentLength: number;
  host: string | undefined;
}

type Message = 'request' | 'response' | 'trailers';

const targetPattern = /^[\x21-\x7e\x80-\xff]+$/;
/** Without user information, as nghttp2 has it. */
const authorityPattern = /^[A-Za-z0-9\-._~%!$&'()*+,;=:[\]]+$/;
const schemePattern = /^[A-Za-z][A-Za-z0-9+\-.]*$/;
const forbiddenInValue = /[^\t\x20-\x7e\x80-\xff]/;

/** Turns a decoded request block into a head, or says what makes it malformed. */
export function requestFromFields(fields: HeaderList, extendedConnect: boolean): ReceivedHead<RequestHead> | string {
  const split = splitFields(fields, 'request');
  if (typeof split === 'string') return split;
  const { headers, host, scheme, protocol } = split;
  let { method, path } = split;
  if (method === undefined) return 'missing :method';
  if (!isToken(method)) return 'invalid :method';
  const authority = split.authority ?? host;
  if (authority === undefined) return 'missing :authority and host';
  if (!authorityPattern.test(authority)) return 'invalid :authority';
  if (method === 'CONNECT' && protocol === undefined) {
    if (path !== undefined || scheme !== undefined) return 'CONNECT takes :authority alone';
    path = '';
  } else {
    if (path === undefined || scheme === undefined || scheme === '') return 'missing :path or :scheme';
    if (!schemePattern.test(scheme)) return 'invalid :scheme';
    if (!targetPattern.test(path)) return 'invalid :path';
    if (path.charCodeAt(0) !== 47 && !(path === '*' && method === 'OPTIONS')) return ':path without slash';
  }
  if (protocol !== undefined) {
    if (!extendedConnect) return 'unknown or repeated pseudo-header field';
    if (method !== 'CONNECT' || !isToken(protocol)) return ':protocol where it is not allowed';
    // As an upgrade of HTTP/1.1 would look, so that what is above needs to know one form only.
    method = 'GET';
  }
  const head: RequestHead = {
    method,
    path,
    authority,
    scheme: scheme ?? 'http',
    headers,
    version: 'HTTP/2',
    upgrade: protocol?.toLowerCase(),
  };
  return { head, contentLength: split.contentLength };
}

/** A head of its own for each request whose block is the same. */
export function copyRequest({ method, path, authority, scheme, headers, version, upgrade }: RequestHead): RequestHead {
  return { method, path, authority, scheme, headers: headers.slice(), version, upgrade };
}

/** Turns a decoded response block into a head, or says what makes it malformed. */
export function responseFromFields(fields: HeaderList): ReceivedHead<ResponseHead> | string {
  const split = splitFields(fields, 'response');
  if (typeof split === 'string') return split;
  const { status } = split;
  if (status === undefined || !/^[1-9][0-9]{2}$/.test(status) || status === '101') return 'missing or invalid :status';
  return { head: { status: Number(status), headers: split.headers }, contentLength: split.contentLength };
}

export function trailersFromFields(fields: HeaderList): HeaderList | string {
  const split = splitFields(fields, 'trailers');
  return typeof split === 'string' ? split : split.headers;
}

function splitFields(fields: HeaderList, message: Message): SplitFields | string {
  const headers: HeaderList = [];
  const split: SplitFields = {
    method: undefined,
    scheme: undefined,
    authority: undefined,
    path: undefined,
    protocol: undefined,
    status: undefined,
    headers,
    contentLength: -1,
    host: undefined,
  };
  let cookieAt = -1;
  const section = nextSection();
  const joins = message === 'request' ? joinedIn.request : message === 'response' ? joinedIn.response : joinedIn.none;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    if (forbiddenInValue.test(value)) return `invalid value of ${name.slice(0, 64)}`;
    if (name.charCodeAt(0) === 58) {
      if (headers.length > 0 || split.host !== undefined) return 'pseudo-header field after a regular one';
      if (!takePseudo(split, name, value, message)) return 'unknown or repeated pseudo-header field';
      continue;
    }
    const field = fieldNameOf(name);
    if (field === undefined || field.lower !== name) return 'invalid or upper-case field name';
    switch (name) {
      case 'connection':
      case 'proxy-connection':
      case 'keep-alive':
      case 'transfer-encoding':
      case 'upgrade':
        return `connection-specific field ${name}`;
      case 'te':
        if (value.toLowerCase() !== 'trailers') return 'te other than trailers';
        break;
      case 'host':
        if (split.host !== undefined) return 'more than one host';
        split.host = value;
        continue;
      case 'content-length':
        if (split.contentLength >= 0 || !/^[0-9]{1,15}$/.test(value)) return 'invalid or repeated content-length';
        split.contentLength = Number(value);
        break;
      case 'cookie':
        // Crumbs become one field again (section 8.2.3).
        if (cookieAt >= 0) {
          headers[cookieAt] = `${headers[cookieAt]}; ${value}`;
          continue;
        }
        cookieAt = headers.length + 1;
        break;
    }
    const { joined } = field;
    if (joined !== undefined && (joined.messages & joins) !== 0) {
      if (joined.section === section) {
        joinField(headers, name, withoutSpaceAround(value));
        continue;
      }
      joined.section = section;
    }
    headers.push(field.lower, withoutSpaceAround(value));
  }
  return split;
}

/** False for one that is repeated or does not belong to the message. */
function takePseudo(split: SplitFields, name: string, value: string, message: Message): boolean {
  if (message === 'response') {
    if (name !== ':status' || split.status !== undefined) return false;
    split.status = value;
    return true;
  }
  if (message !== 'request') return false;
  switch (name) {
    case ':method':
      if (split.method !== undefined) return false;
      split.method = value;
      return true;
    case ':scheme':
      if (split.scheme !== undefined) return false;
      split.scheme = value;
      return true;
    case ':authority':
      if (split.authority !== undefined) return false;
      split.authority = value;
      return true;
    case ':path':
      if (split.path !== undefined) return false;
      split.path = value;
      return true;
    case ':protocol':
      if (split.protocol !== undefined) return false;
      split.protocol = value;
      return true;
    default:
      return false;
  }
}

/** Section 8.2.1 forbids white space around; clients send it, and Envoy takes it. It is no part of the value. */
function withoutSpaceAround(value: string): string {
  if (value.length === 0) return value;
  const first = value.charCodeAt(0);
  const last = value.charCodeAt(value.length - 1);
  return first === 32 || first === 9 || last === 32 || last === 9 ? value.replace(/^[ \t]+/, '').trimEnd() : value;
}

/** Adds fields to a block: none that belong to an HTTP/1 connection, none that are malformed. */
export function encodeFields(encoder: HpackEncoder, headers: readonly string[]): void {
  for (let i = 0; i < headers.length; i += 2) {
    const known = knownName(headers[i] as string);
    if (known === undefined || known.withheld) continue;
    const value = headers[i + 1] as string;
    if (known.isTe && value.toLowerCase() !== 'trailers') continue;
    encoder.knownField(known, value);
  }
}
