import type { FuzzTarget, Random } from '@xebec/core';
import { parseClientHello } from './client-hello.ts';
import { cutIntoReads } from './codec-events.ts';
import { encodeGrpcFrame, GrpcFrameReader } from './grpc-frames.ts';
import { parseProxyHeader } from './proxy-protocol.ts';
import { sniffProtocol } from './sniff-protocol.ts';

const maxMessageBytes = 1024;

/** A ClientHello for `a.example` with ALPN `h2`: record, handshake, version, random, session, ciphers, compression, extensions. */
function clientHello(): Buffer {
  const vector = (lengthBytes: number, content: Buffer): Buffer => {
    const length = Buffer.alloc(lengthBytes);
    length.writeUIntBE(content.length, 0, lengthBytes);
    return Buffer.concat([length, content]);
  };
  const extension = (type: number, content: Buffer): Buffer => Buffer.concat([Buffer.from([0, type]), vector(2, content)]);
  const name = extension(0, vector(2, Buffer.concat([Buffer.from([0]), vector(2, Buffer.from('a.example'))])));
  const alpn = extension(16, vector(2, vector(1, Buffer.from('h2'))));
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 7),
    vector(1, Buffer.alloc(32, 8)),
    vector(2, Buffer.from([0x13, 1, 0x13, 2])),
    vector(1, Buffer.from([0])),
    vector(2, Buffer.concat([name, alpn])),
  ]);
  const handshake = Buffer.concat([Buffer.from([1]), vector(3, body)]);
  return Buffer.concat([Buffer.from([22, 3, 1]), vector(2, handshake)]);
}

function checkGrpcFrames(input: Buffer, random: Random): void {
  const read = (reads: readonly Buffer[]): string => {
    const reader = new GrpcFrameReader(maxMessageBytes);
    const messages = reads
      .flatMap((bytes) => reader.push(bytes))
      .map(({ compressed, message }) => [compressed, message.toString('latin1')]);
    if (reader.error === undefined && reader.pendingBytes > maxMessageBytes + 5) throw new Error(`${reader.pendingBytes} bytes are kept`);
    return JSON.stringify([messages, reader.error]);
  };
  if (read([input]) !== read(cutIntoReads(input, random))) throw new Error('messages depend on where reads are cut');
}

/** Bytes that come later cannot change a verdict that did not ask for more. */
function requireStable<T>(parse: (bytes: Buffer) => T, input: Buffer, random: Random): void {
  const verdict = parse(input);
  if (verdict === 'need-more' || JSON.stringify(verdict) === '{"kind":"need-more"}') return;
  const more = Buffer.concat([input, Buffer.from([Math.floor(random.next() * 256)])]);
  if (JSON.stringify(parse(more)) !== JSON.stringify(verdict)) throw new Error(`${JSON.stringify(verdict)} changed with one more byte`);
}

export const fuzzTargets: readonly FuzzTarget[] = [
  {
    name: 'grpc-frames',
    seeds: [
      Buffer.concat([encodeGrpcFrame(Buffer.from('hello')), encodeGrpcFrame(Buffer.alloc(0)), encodeGrpcFrame(Buffer.alloc(900, 1), true)]),
    ],
    dictionary: ['\0\0\0\0\0', '\x01\xff\xff\xff\xff', '\x02\0\0\0\0'],
    check: checkGrpcFrames,
  },
  {
    name: 'client-hello',
    seeds: [clientHello()],
    dictionary: ['\x16\x03\x01\0\x01', '\0\0', '\xff\xff'],
    check: (input, random) => requireStable(parseClientHello, input, random),
  },
  {
    name: 'proxy-protocol',
    seeds: [
      Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\nGET / HTTP/1.1\r\n'),
      Buffer.from('PROXY UNKNOWN\r\n'),
      Buffer.from('0d0a0d0a000d0a515549540a21110013c0000201c0000202dc0401bb0400044142434448', 'hex'),
    ],
    dictionary: ['PROXY TCP6 ', '\r\n', '\r\n\r\n\0\r\nQUIT\n', '65536', '\x21\x21', '\xff\xff'],
    check: (input, random) => requireStable(parseProxyHeader, input, random),
  },
  {
    name: 'protocol-sniffing',
    seeds: [Buffer.from('GET / HTTP/1.1\r\n'), Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), clientHello()],
    dictionary: ['HTTP/1.0\r\n', 'PRI '],
    check: (input, random) => requireStable(sniffProtocol, input, random),
  },
];
