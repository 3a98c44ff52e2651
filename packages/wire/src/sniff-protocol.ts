import { preface } from './http2/constants.ts';

export type SniffedProtocol = 'tls' | 'http/1.0' | 'http/1.1' | 'h2c' | 'unknown' | 'need-more';

const maxRequestLineBytes = 8192;

/** What the first bytes of a connection are; `need-more` while it cannot be told yet. Looks at no more than 8 KiB. */
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

function sniffRequestLine(bytes: Buffer): SniffedProtocol {
  const limit = Math.min(bytes.length, maxRequestLineBytes);
  let at = 0;
  // Empty lines may come before a request.
  while (at < limit && (bytes[at] === 13 || bytes[at] === 10)) at++;
  const from = at;
  while (at < limit && isMethodByte(bytes[at] as number)) at++;
  if (at === bytes.length) return at - from > 32 ? 'unknown' : 'need-more';
  if (at === from || at - from > 32 || bytes[at] !== 32) return 'unknown';
  const lineEnd = bytes.indexOf(10, at);
  if (lineEnd < 0 || lineEnd >= maxRequestLineBytes) return bytes.length >= maxRequestLineBytes ? 'unknown' : 'need-more';
  const line = bytes.toString('latin1', from, lineEnd);
  const version = / HTTP\/1\.([01])\r?$/.exec(line);
  if (version === null) return 'unknown';
  return version[1] === '1' ? 'http/1.1' : 'http/1.0';
}

/** Methods are upper-case words in practice; `-` occurs in registered ones. */
function isMethodByte(byte: number): boolean {
  return (byte >= 65 && byte <= 90) || byte === 45;
}
