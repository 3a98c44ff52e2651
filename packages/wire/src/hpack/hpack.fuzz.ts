import type { FuzzTarget } from '@xebec/core';
import { HpackDecoder } from './decoder.ts';
import { HpackEncoder } from './encoder.ts';

const maxListBytes = 16 * 1024;
const maxCount = 100;

function block(fields: readonly string[]): Buffer {
  const encoder = new HpackEncoder();
  encoder.begin();
  for (let i = 0; i < fields.length; i += 2) encoder.field(fields[i] ?? '', fields[i + 1] ?? '');
  return Buffer.from(encoder.finish());
}

const seeds = [
  block([':method', 'GET', ':path', '/', ':scheme', 'http', ':authority', 'a.example', 'accept', '*/*']),
  block([':status', '200', 'content-type', 'text/plain', 'x-long', 'y'.repeat(500), 'x-long', 'y'.repeat(500)]),
  Buffer.from('3fe11f400161016240016101628282be', 'hex'),
];

/** Decodes a block twice on one connection; what was decoded must survive encoding and decoding again. */
function check(input: Buffer): void {
  const decoder = new HpackDecoder(4096);
  for (const bytes of [input, input]) {
    const decoded = decoder.decode(Buffer.from(bytes), maxListBytes, maxCount);
    if (decoded === undefined) return;
    const { fields } = decoded;
    const size = fields.reduce((sum, text) => sum + text.length, 0);
    if (size > maxListBytes || fields.length > 2 * maxCount) throw new Error(`${fields.length / 2} fields of ${size} bytes are kept`);
    const again = new HpackDecoder(4096).decode(block(fields), 4 * maxListBytes, maxCount);
    if (JSON.stringify(again?.fields) !== JSON.stringify(fields)) throw new Error(`fields changed on their way: ${JSON.stringify(fields)}`);
  }
}

export const fuzzTargets: readonly FuzzTarget[] = [
  {
    name: 'hpack',
    seeds,
    dictionary: ['\x80', '\xff\xff\xff\xff\x0f', '\x3f\xe1\x1f', '\x20', '\x40\x01a\x01b', '\x85\xff\xff\xff\xff\xff'],
    check,
  },
];
