import { fieldNameOf, fieldRole } from '../field-name.ts';
import type { HeaderList } from '../http.ts';
import { joinedIn, joinField, nextSection } from '../joined-fields.ts';

/** The header section of one message, with what frames it taken out. */
export interface Fields {
  /** Without host, connection, keep-alive, proxy-connection, transfer-encoding and upgrade. */
  headers: HeaderList;
  /** -1 without content-length. */
  contentLength: number;
  chunked: boolean;
  /** `expect: 100-continue`. */
  expectsContinue: boolean;
  host: string | undefined;
  /** Lower-case; values of all `connection` fields joined. */
  connection: string;
  /** The same as it was written. */
  connectionText: string;
  upgrade: string | undefined;
  /** `proxy-connection: close`. */
  proxyClose: boolean;
  /** As they are metered: names, values, and three bytes around each. */
  bytes: number;
}

/** CR, LF, NUL and controls where they must not be, and folded lines (RFC 9112 section 5.2). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const forbidden = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n|\r\n[ \t]/;
const decimal = /^[0-9]{1,15}$/;

/**
 * Parses lines `name: value` of `text` from `at`, without the empty line. Returns what is wrong as text. Strict where a lenient
 * reader and another one behind it could disagree about where a message ends (RFC 9112 sections 6.3 and 11.2). `message` is one of `joinedIn`:
 * fields that such a message has once become one.
 */
export function parseFields(
  text: string,
  at: number,
  maxCount: number,
  allowChunkedLength = false,
  message: number = joinedIn.none,
): Fields | string {
  if (forbidden.test(text)) return forbiddenCharacters;
  const headers: HeaderList = [];
  let contentLength = -1;
  let chunked = false;
  let expectsContinue = false;
  let expected = false;
  let host: string | undefined;
  let connection = '';
  let connectionText = '';
  let upgrade: string | undefined;
  let proxyClose = false;
  let coding: string | undefined;
  let count = 0;
  let bytes = 0;
  const section = nextSection();
  const { length } = text;
  for (let i = at; i < length; ) {
    let end = text.indexOf('\r\n', i);
    if (end < 0) end = length;
    const colon = text.indexOf(':', i);
    if (colon < 0 || colon >= end) return 'header line without colon';
    if (++count > maxCount) return tooManyHeaders;
    const field = fieldNameOf(text.slice(i, colon));
    if (field === undefined) return 'invalid character in header name';
    const value = trimmed(text, colon + 1, end);
    bytes += colon - i + value.length + 3;
    i = end + 2;
    if (message === joinedIn.trailers && field.role !== fieldRole.plain) continue;
    switch (field.role) {
      case fieldRole.plain:
        break;
      case fieldRole.host:
        if (host !== undefined) return 'more than one host header';
        host = value;
        continue;
      case fieldRole.contentLength:
        if (contentLength >= 0) return 'more than one content-length';
        if (!decimal.test(value)) return 'invalid content-length';
        contentLength = Number(value);
        break;
      case fieldRole.transferEncoding:
        if (chunked) return secondCoding;
        if (value.toLowerCase() === 'chunked') chunked = true;
        else coding = otherCoding;
        continue;
      case fieldRole.connection:
        connectionText = connectionText === '' ? value : `${connectionText},${value}`;
        connection = connectionText.toLowerCase();
        continue;
      case fieldRole.upgrade:
        upgrade = upgrade === undefined ? value : `${upgrade},${value}`;
        continue;
      case fieldRole.keepAlive:
        proxyClose ||= field.lower === 'proxy-connection' && value.toLowerCase() === 'close';
        continue;
      case fieldRole.expect:
        // Several are one list, which is another expectation.
        expectsContinue = !expected && value.toLowerCase() === '100-continue';
        expected = true;
        break;
    }
    const { joined } = field;
    if (joined !== undefined && (joined.messages & message) !== 0) {
      if (joined.section === section) {
        joinField(headers, field.lower, value);
        continue;
      }
      joined.section = section;
    }
    headers.push(field.lower, value);
  }
  if (coding !== undefined) return contentLength >= 0 && !allowChunkedLength ? 'both content-length and transfer-encoding' : coding;
  if (chunked && contentLength >= 0) {
    if (!allowChunkedLength) return 'both content-length and transfer-encoding';
    contentLength = -1;
    const length = headers.indexOf('content-length');
    headers.splice(length, 2);
  }
  // Envoy counts the end of a line that is not there.
  if (count === 0) bytes = 3;
  return { headers, contentLength, chunked, expectsContinue, host, connection, connectionText, upgrade, proxyClose, bytes };
}

export const tooManyHeaders = 'too many headers';
export const forbiddenCharacters = 'control character, bare CR or LF, or folded line in the header section';
export const controlCharacters = 'control character in the head';
export const connectionRejected = 'connection header that names what may not be removed';
export const secondCoding = 'more than one transfer-encoding';
export const otherCoding = 'transfer-encoding other than chunked';

/** Whether the comma-separated, lower-case `list` has `token`. */
export function hasToken(list: string, token: string): boolean {
  if (list === token) return true;
  if (list.indexOf(token) < 0) return false;
  return list.split(',').some((item) => item.trim() === token);
}

/** Whether `connection` names who the client is, or so much that it can only be an attack: Envoy refuses such requests. */
export function namesForbidden(connection: string): boolean {
  if (connection === 'close' || connection === 'keep-alive' || connection === 'upgrade') return false;
  const tokens = connection.split(',').filter((item) => item !== '');
  return tokens.length >= 10 || tokens.some((item) => /^x-forwarded-(for|host|proto)$|^:/.test(item.trim()));
}

/**
 * Removes the fields that `connection` names (RFC 9110 section 7.6.1), but never those that carry identity, routing or framing:
 * naming them is how a client would make a proxy drop what the next hop relies on.
 */
export function removeConnectionNamed(fields: Fields): void {
  const connection = fields.connection;
  if (connection === '' || connection === 'close' || connection === 'keep-alive' || connection === 'upgrade') return;
  const named = connection
    .split(',')
    .map((item) => item.trim())
    .filter((name) => name !== '' && name !== 'close' && name !== 'keep-alive' && name !== 'upgrade' && !protectedName(name));
  if (named.length === 0) return;
  const kept: HeaderList = [];
  for (let i = 0; i < fields.headers.length; i += 2) {
    const name = fields.headers[i] as string;
    if (!named.includes(name)) kept.push(name, fields.headers[i + 1] as string);
  }
  fields.headers = kept;
}

function protectedName(name: string): boolean {
  return (
    name.startsWith('x-forwarded-') ||
    name.startsWith('x-envoy-') ||
    name === 'content-length' ||
    name === 'te' ||
    name === 'authorization' ||
    name === 'cookie' ||
    name === 'x-request-id'
  );
}

function trimmed(text: string, from: number, to: number): string {
  let start = from;
  let end = to;
  for (let code = text.charCodeAt(start); start < end && (code === 32 || code === 9); code = text.charCodeAt(start)) start++;
  for (let code = text.charCodeAt(end - 1); end > start && (code === 32 || code === 9); code = text.charCodeAt(end - 1)) end--;
  return text.slice(start, end);
}
