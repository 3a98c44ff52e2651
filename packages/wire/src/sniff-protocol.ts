import { preface } from './http2/constants.ts';

export type SniffedProtocol = 'tls' | 'http/1.0' | 'http/1.1' | 'h2c' | 'unknown' | 'need-more';

const maxRequestLineBytes = 64 * 1024;

/** What the first bytes of a connection are; `need-more` while it cannot be told yet. Looks at no more than 64 KiB. */
export function sniffProtocol(bytes: Buffer): SniffedProtocol {
  if (bytes.length === 0) return 'need-more';
  if (bytes[0] === 0x16) {
    if (bytes.length < 3) return 'need-more';
    return bytes[1] === 3 ? 'tls' : 'unknown';
  }
  const compared = Math.min(bytes.length, preface.length);
  if (bytes.toString('latin1', 0, compared) === preface.slice(0, compared)) return compared === preface.length ? 'h2c' : 'need-more';
  return sniffRequestLine(bytes);
}

/** A request line as Envoy's inspector sees one: any method, and a GET without a version is HTTP/1.0. */
function sniffRequestLine(bytes: Buffer): SniffedProtocol {
  let at = 0;
  while (at < bytes.length && isMethodByte(bytes[at] as number)) at++;
  if (at === bytes.length) return at >= maxRequestLineBytes ? 'unknown' : 'need-more';
  if (at === 0 || bytes[at] !== 32) return 'unknown';
  const lineEnd = bytes.indexOf(10, at);
  if (lineEnd < 0 || lineEnd >= maxRequestLineBytes) return bytes.length >= maxRequestLineBytes ? 'unknown' : 'need-more';
  const rest = bytes.toString('latin1', at + 1, lineEnd).trim();
  const blank = rest.lastIndexOf(' ');
  if (blank < 0) return bytes.toString('latin1', 0, at) === 'GET' ? 'http/1.0' : 'unknown';
  const version = /^HTTP\/\d\.\d$/.exec(rest.slice(blank + 1));
  if (version === null) return 'unknown';
  return version[0] === 'HTTP/1.1' ? 'http/1.1' : 'http/1.0';
}

/** Tokens of RFC 9110 section 5.6.2, and what else prints. */
function isMethodByte(byte: number): boolean {
  return byte > 32 && byte < 127;
}
