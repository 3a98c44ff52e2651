import { constants, createDeflate } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { SPDY_DICTIONARY, SpdyConnection } from './spdy.ts';

function headerBlock(pairs: Record<string, string>): Promise<Buffer> {
  const text = (value: string) => Buffer.concat([Buffer.from([0, 0, 0, value.length]), Buffer.from(value)]);
  const plain = Buffer.concat([
    Buffer.from([0, 0, 0, Object.keys(pairs).length]),
    ...Object.entries(pairs).flatMap(([name, value]) => [text(name), text(value)]),
  ]);
  const deflate = createDeflate({ dictionary: SPDY_DICTIONARY });
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    deflate.on('data', (chunk: Buffer) => chunks.push(chunk));
    deflate.write(plain);
    deflate.flush(constants.Z_SYNC_FLUSH, () => setImmediate(() => resolve(Buffer.concat(chunks))));
  });
}

function control(type: number, payload: Buffer): Buffer {
  const head = Buffer.from([0x80, 3, 0, type, 0, 0, 0, 0]);
  head.writeUIntBE(payload.length, 5, 3);
  return Buffer.concat([head, payload]);
}

describe('SpdyConnection', () => {
  it('opens a stream, echoes data, ends it', async () => {
    const sent: Buffer[] = [];
    const opened = new Promise<Readonly<Record<string, string>>>((resolve) => {
      const connection = new SpdyConnection({
        send: (bytes) => sent.push(bytes),
        onClose: () => undefined,
        onStream: (stream) => {
          stream.onData = (chunk) => stream.write(chunk);
          stream.onEnd = () => stream.end();
          resolve(stream.headers);
        },
      });
      void headerBlock({ streamtype: 'data', port: '80' }).then((block) => {
        const open = control(1, Buffer.concat([Buffer.from([0, 0, 0, 1, 0, 0, 0, 0, 0, 0]), block]));
        const data = Buffer.from([0, 0, 0, 1, 1, 0, 0, 2, 0x68, 0x69]);
        // Byte by byte: frames come in any pieces.
        for (const byte of Buffer.concat([open, data])) connection.receive(Buffer.from([byte]));
      });
    });
    expect(await opened).toEqual({ streamtype: 'data', port: '80' });
    await expect.poll(() => sent.length).toBe(3);
    expect(sent[1]?.toString('hex')).toBe('00000001000000026869');
    expect(sent[2]?.toString('hex')).toBe('0000000101000000');
  });

  it.each([
    ['a frame that is too long', Buffer.from([0, 0, 0, 1, 0, 0xff, 0xff, 0xff])],
    ['another version', Buffer.from([0x80, 2, 0, 1, 0, 0, 0, 4, 0, 0, 0, 1])],
    ['a short SYN_STREAM', control(1, Buffer.from([0, 0, 0, 1]))],
  ])('closes on %s', async (_name, bytes) => {
    let reason = '';
    const connection = new SpdyConnection({
      send: () => undefined,
      onStream: () => undefined,
      onClose: (why) => {
        reason = why;
      },
    });
    connection.receive(bytes);
    await expect.poll(() => reason).not.toBe('');
  });
});
