import { isToken, lowerCaseFieldName, safeFieldValue } from '../field-name.ts';
import type { HpackEncoder } from '../hpack/encoder.ts';
import type { HeaderList, RequestHead, ResponseHead } from '../http.ts';

/** A message's fields after validation (RFC 9113 section 8); pseudo-header fields by name. */
interface SplitFields {
  readonly pseudo: Map<string, string>;
  readonly headers: HeaderList;
  readonly contentLength: number;
  readonly host: string | undefined;
}

export interface ReceivedHead<Head> {
  readonly head: Head;
  /** -1 without content-length. */
  readonly contentLength: number;
}

const requestPseudo = new Set([':method', ':scheme', ':authority', ':path', ':protocol']);
const responsePseudo = new Set([':status']);
const noPseudo = new Set<string>();
const targetPattern = /^[\x21-\x7e\x80-\xff]+$/;
const authorityPattern = /^[A-Za-z0-9\-._~%!$&'()*+,;=:[\]@]*$/;

/** Turns a decoded request block into a head, or says what makes it malformed. */
export function requestFromFields(fields: HeaderList, extendedConnect: boolean): ReceivedHead<RequestHead> | string {
  const split = splitFields(fields, requestPseudo);
  if (typeof split === 'string') return split;
  const { pseudo, headers, host } = split;
  let method = pseudo.get(':method');
  const protocol = pseudo.get(':protocol');
  let path = pseudo.get(':path');
  const scheme = pseudo.get(':scheme');
  if (method === undefined || !isToken(method)) return 'missing or invalid :method';
  const authority = pseudo.get(':authority') ?? host ?? '';
  if (!authorityPattern.test(authority)) return 'invalid :authority';
  if (host !== undefined && host.toLowerCase() !== authority.toLowerCase()) return 'host differs from :authority';
  if (method === 'CONNECT' && protocol === undefined) {
    if (path !== undefined || scheme !== undefined || authority === '') return 'CONNECT takes :authority alone';
    path = '';
  } else {
    if (path === undefined || scheme === undefined || scheme === '') return 'missing :path or :scheme';
    if (!targetPattern.test(path) || (path.charCodeAt(0) !== 47 && !(path === '*' && method === 'OPTIONS'))) return 'invalid :path';
  }
  if (protocol !== undefined) {
    if (!extendedConnect || method !== 'CONNECT' || !isToken(protocol)) return ':protocol where it is not allowed';
    // As an upgrade of HTTP/1.1 would look, so that what is above needs to know one form only.
    method = 'GET';
  }
  const head: RequestHead = { method, path, authority, scheme: scheme ?? 'http', headers, version: 'HTTP/2' };
  if (protocol !== undefined) head.upgrade = protocol.toLowerCase();
  return { head, contentLength: split.contentLength };
}

/** Turns a decoded response block into a head, or says what makes it malformed. */
export function responseFromFields(fields: HeaderList): ReceivedHead<ResponseHead> | string {
  const split = splitFields(fields, responsePseudo);
  if (typeof split === 'string') return split;
  const status = split.pseudo.get(':status');
  if (status === undefined || !/^[1-9][0-9]{2}$/.test(status) || status === '101') return 'missing or invalid :status';
  return { head: { status: Number(status), headers: split.headers }, contentLength: split.contentLength };
}

export function trailersFromFields(fields: HeaderList): HeaderList | string {
  const split = splitFields(fields, noPseudo);
  return typeof split === 'string' ? split : split.headers;
}

function splitFields(fields: HeaderList, allowedPseudo: ReadonlySet<string>): SplitFields | string {
  const pseudo = new Map<string, string>();
  const headers: HeaderList = [];
  let contentLength = -1;
  let host: string | undefined;
  let cookieAt = -1;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    if (!validValue(value)) return `invalid value of ${name.slice(0, 64)}`;
    if (name.charCodeAt(0) === 58) {
      if (headers.length > 0 || host !== undefined) return 'pseudo-header field after a regular one';
      if (!allowedPseudo.has(name) || pseudo.has(name)) return 'unknown or repeated pseudo-header field';
      pseudo.set(name, value);
      continue;
    }
    const kept = lowerCaseFieldName(name);
    if (kept !== name) return 'invalid or upper-case field name';
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
        if (host !== undefined) return 'more than one host';
        host = value;
        continue;
      case 'content-length':
        if (contentLength >= 0 || !/^[0-9]{1,15}$/.test(value)) return 'invalid or repeated content-length';
        contentLength = Number(value);
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
    headers.push(kept, value);
  }
  return { pseudo, headers, contentLength, host };
}

/** No NUL, CR, LF, and no white space around (section 8.2.1). */
function validValue(value: string): boolean {
  if (value.length === 0) return true;
  const first = value.charCodeAt(0);
  const last = value.charCodeAt(value.length - 1);
  if (first === 32 || first === 9 || last === 32 || last === 9) return false;
  return safeFieldValue(value) === value;
}

/** Adds fields to a block: none that belong to an HTTP/1 connection, none that are malformed. */
export function encodeFields(encoder: HpackEncoder, headers: readonly string[]): void {
  for (let i = 0; i < headers.length; i += 2) {
    const name = lowerCaseFieldName(headers[i] as string);
    switch (name) {
      case undefined:
      case 'connection':
      case 'proxy-connection':
      case 'keep-alive':
      case 'transfer-encoding':
      case 'upgrade':
      case 'host':
        continue;
      case 'te':
        if ((headers[i + 1] as string).toLowerCase() !== 'trailers') continue;
    }
    encoder.field(name, safeFieldValue(headers[i + 1] as string));
  }
}
