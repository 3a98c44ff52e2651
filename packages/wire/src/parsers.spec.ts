import { seededRandom } from '@xebec/core';
import { describe, expect, test } from 'vitest';
import { parseClientHello } from './client-hello.ts';
import { encodeGrpcFrame, GrpcFrameReader } from './grpc-frames.ts';
import { HpackDecoder } from './hpack/decoder.ts';
import { HpackEncoder } from './hpack/encoder.ts';
import { preface } from './http2/constants.ts';
import { type SniffedProtocol, sniffProtocol } from './sniff-protocol.ts';

const u16 = (value: number) => Buffer.from([value >> 8, value & 255]);
const vector = (size: 1 | 2, ...pieces: (Buffer | string)[]) => {
  const body = Buffer.concat(pieces.map((piece) => Buffer.from(piece as string, 'latin1')));
  return Buffer.concat([size === 1 ? Buffer.from([body.length]) : u16(body.length), body]);
};
function clientHello(recordBytes: number): Buffer {
  const sni = Buffer.concat([u16(0), vector(2, vector(2, Buffer.from([0]), vector(2, 'Example.COM')))]);
  const alpn = Buffer.concat([u16(16), vector(2, vector(2, vector(1, 'h2'), vector(1, 'istio')))]);
  const random = Buffer.alloc(34, 3);
  const body = Buffer.concat([random, vector(1, 'session'), vector(2, '\x13\x01'), vector(1, '\0'), vector(2, sni, alpn)]);
  const message = Buffer.concat([Buffer.from([1, 0]), u16(body.length), body]);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += recordBytes) {
    records.push(Buffer.from([22, 3, 1]), vector(2, message.subarray(at, at + recordBytes)));
  }
  return Buffer.concat(records);
}

test.each([1, 7, 1000])('ClientHello in records of %i bytes, and every prefix of it', (recordBytes) => {
  const bytes = clientHello(recordBytes);
  expect(parseClientHello(bytes)).toEqual({ sni: 'example.com', alpn: ['h2', 'istio'] });
  for (let end = 0; end < bytes.length; end++) expect(parseClientHello(bytes.subarray(0, end))).toBe('need-more');
});

test.each<[string, SniffedProtocol]>([
  ['', 'need-more'],
  ['\x16\x03\x01', 'tls'],
  ['\x16\x02\x01', 'unknown'],
  [preface, 'h2c'],
  ['PRI * HT', 'need-more'],
  ['PRI * HTTP/1.1\r\n', 'http/1.1'],
  ['GET / HTTP/1.1\r\n', 'http/1.1'],
  ['GET / HTTP/1.0\r\n', 'http/1.0'],
  ['GET /', 'need-more'],
  ['GET / SPDY\r\n', 'unknown'],
  ['*1\r\n$4\r\nPING\r\n', 'unknown'],
  ['\0\0\0', 'unknown'],
  ['get / HTTP/1.1\r\n', 'http/1.1'],
  ['GET /\r\n', 'http/1.0'],
  ['GET / HTTP/2.0\r\n', 'http/1.0'],
  ['GET / HTTP/x\r\n', 'unknown'],
  ['\r\nGET / HTTP/1.1\r\n', 'unknown'],
  [`GET /${'a'.repeat(9000)} HTTP/1.1\r\n`, 'http/1.1'],
])('sniff %j: %s', (text, expected) => {
  expect(sniffProtocol(Buffer.from(text, 'latin1'))).toBe(expected);
});

describe('gRPC frames', () => {
  test('byte by byte', () => {
    const reader = new GrpcFrameReader();
    const bytes = Buffer.concat([encodeGrpcFrame(Buffer.from('hello')), encodeGrpcFrame(Buffer.alloc(0), true)]);
    const frames = [...bytes].flatMap((byte) => reader.push(Buffer.from([byte])));
    expect(frames.map(({ compressed, message }) => [compressed, message.toString()])).toEqual([
      [false, 'hello'],
      [true, ''],
    ]);
    expect(reader.pendingBytes).toBe(0);
  });
  test('too large', () => {
    const reader = new GrpcFrameReader(4);
    expect(reader.push(encodeGrpcFrame(Buffer.from('hello')))).toEqual([]);
    expect(reader.error).toContain('5 bytes');
  });
});

describe('HPACK', () => {
  test('the example of RFC 7541 C.4', () => {
    const decoder = new HpackDecoder();
    const decode = (hex: string) => decoder.decode(Buffer.from(hex, 'hex'), 65_536, 100)?.fields;
    const first = [':method', 'GET', ':scheme', 'http', ':path', '/', ':authority', 'www.example.com'];
    expect(decode('828684418cf1e3c2e5f23a6ba0ab90f4ff')).toEqual(first);
    expect(decode('828684be5886a8eb10649cbf')).toEqual([...first, 'cache-control', 'no-cache']);
  });
  test('what is encoded is decoded, with evictions and table sizes', () => {
    const random = seededRandom(1);
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder();
    for (let run = 0; run < 500; run++) {
      if (run % 100 === 99) encoder.setTableLimit(run % 200 === 99 ? 128 : 4096);
      const fields = Array.from({ length: 8 }, () => [
        `x-${Math.floor(random.next() * 30)}`,
        String.fromCharCode(...Array.from({ length: random.next() * 40 }, () => random.next() * 256)),
      ]).flat();
      encoder.begin();
      for (let i = 0; i < fields.length; i += 2) encoder.field(fields[i] ?? '', fields[i + 1] ?? '');
      expect(decoder.decode(Buffer.from(encoder.finish()), 65_536, 100)?.fields).toEqual(fields);
    }
  });
  test('a bomb is read but not kept', () => {
    const encoder = new HpackEncoder();
    encoder.begin();
    for (let i = 0; i < 10_000; i++) encoder.field('x', 'y'.repeat(400));
    const decoded = new HpackDecoder().decode(encoder.finish(), 8192, 1_000_000);
    expect(decoded?.tooLarge).toBe(true);
    expect(decoded?.fields.length).toBeLessThan(40);
  });
  test.each(['ff', '80', 'bf', '4003', '3fffffffff', '0085ffffffffff'])('malformed %s', (hex) => {
    expect(new HpackDecoder().decode(Buffer.from(hex, 'hex'), 8192, 100)).toBeUndefined();
  });
});
