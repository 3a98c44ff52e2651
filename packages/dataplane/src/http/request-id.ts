import { randomFillSync } from 'node:crypto';

const idsPerFill = 256;
const bytes = Buffer.alloc(16 * idsPerFill);
let digits = '';
let at = 0;

/** A random UUID (RFC 9562, version 4). Randomness is drawn for many at once, and turned into digits at once. */
export function requestId(): string {
  if (at === digits.length) fill();
  const from = at;
  at += 32;
  return `${digits.slice(from, from + 8)}-${digits.slice(from + 8, from + 12)}-${digits.slice(from + 12, from + 16)}-${digits.slice(from + 16, from + 20)}-${digits.slice(from + 20, from + 32)}`;
}

function fill(): void {
  randomFillSync(bytes);
  for (let i = 0; i < bytes.length; i += 16) {
    bytes[i + 6] = ((bytes[i + 6] as number) & 0x0f) | 0x40;
    bytes[i + 8] = ((bytes[i + 8] as number) & 0x3f) | 0x80;
  }
  digits = bytes.toString('hex');
  at = 0;
}
