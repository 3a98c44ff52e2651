import { VirtualClock } from '@xebec/core';
import { expect, test } from 'vitest';
import { HpackEncoder } from '../hpack/encoder.ts';
import type { ServerStream } from '../http.ts';
import { RecordingOutput, recordingHandler } from '../recording.ts';
import { errorCode, flag, frameType, preface, settingEntry, uint32 } from './constants.ts';
import type { Http2ServerOptions } from './options.ts';
import { createHttp2ServerConnection } from './server-connection.ts';

function frame(type: number, flags: number, streamId: number, payload = ''): string {
  const { length } = payload;
  return String.fromCharCode(length >> 16, (length >> 8) & 255, length & 255, type, flags) + uint32(streamId) + payload;
}

function setUp(options: Http2ServerOptions = {}) {
  const output = new RecordingOutput();
  const streams: ServerStream[] = [];
  const recording = recordingHandler((stream) => streams.push(stream));
  const connection = createHttp2ServerConnection(output, recording.handler, options);
  const encoder = new HpackEncoder();
  const send = (text: string) => connection.receive(Buffer.from(text, 'latin1'));
  const block = (more: readonly string[]) => {
    encoder.begin();
    const fields = [':method', 'GET', ':scheme', 'http', ':path', '/', ':authority', 'a', ...more];
    for (let i = 0; i < fields.length; i += 2) encoder.field(fields[i] ?? '', fields[i + 1] ?? '');
    return encoder.finish().toString('latin1');
  };
  const request = (streamId: number, more: readonly string[] = []) =>
    send(frame(frameType.headers, flag.endHeaders | flag.endStream, streamId, block(more)));
  /** Type, stream and the number at the start of the payload of what was written since the last call. */
  const frames = async () => {
    await Promise.resolve();
    await Promise.resolve();
    const bytes = Buffer.concat(output.written.splice(0));
    const found: { type: number; streamId: number; first: number; length: number }[] = [];
    for (let at = 0; at < bytes.length; ) {
      const length = bytes.readUIntBE(at, 3);
      const first = length >= 4 ? bytes.readUInt32BE(at + 9) : -1;
      found.push({ type: bytes[at + 3] ?? 0, streamId: bytes.readUInt32BE(at + 5), first, length });
      at += 9 + length;
    }
    return found;
  };
  const goaway = async () => (await frames()).find(({ type }) => type === frameType.goaway) !== undefined;
  send(preface + frame(frameType.settings, 0, 0));
  return { output, connection, streams, send, block, request, frames, goaway, ...recording };
}

test('a header list past its limit resets its stream, by size and by count', async () => {
  for (const more of [['x-large', 'v'.repeat(3000)], Array.from({ length: 30 }, (_, i) => [`x-${i}`, '']).flat()]) {
    const { request, frames, requests, connection } = setUp({ maxHeadersBytes: 2048, maxHeadersCount: 20 });
    await frames();
    request(1, more);
    expect(requests).toEqual([]);
    expect((await frames()).filter(({ streamId }) => streamId === 1).map(({ type }) => type)).toEqual([frameType.rstStream]);
    expect(connection.activeStreams).toBe(0);
  }
});

test('an HPACK bomb costs no more than the limit: references to one large entry do not add up', async () => {
  const { send, requests, frames, block } = setUp({ maxHeadersBytes: 8192 });
  const entry = 'v'.repeat(400);
  const head = block(['x-bomb', entry]);
  // The newest entry of the dynamic table is index 62.
  send(frame(frameType.headers, flag.endHeaders | flag.endStream, 1, head + '\xbe'.repeat(10_000)));
  expect(requests).toEqual([]);
  expect((await frames()).some(({ type, streamId }) => type === frameType.rstStream && streamId === 1)).toBe(true);
});

test('a header block that goes on in CONTINUATION ends the connection before it is large', async () => {
  const { send, goaway, block } = setUp({ maxHeadersBytes: 8192 });
  send(frame(frameType.headers, flag.endStream, 1, block([])));
  for (let i = 0; i < 3; i++) send(frame(frameType.continuation, 0, 1, 'x'.repeat(16_384)));
  expect(await goaway()).toBe(true);
});

test('a slow reader holds no more than its stream may keep', async () => {
  const { request, streams, frames, connection } = setUp({ maxSendBufferBytes: 100_000 });
  request(1);
  await frames();
  const [stream] = streams;
  stream?.sendHead({ status: 200, headers: [] }, false);
  // The window is 65,535 bytes and never opens.
  for (let i = 0; i < 20; i++) stream?.sendData(Buffer.alloc(10_000), false);
  expect((await frames()).find(({ type }) => type === frameType.rstStream)?.first).toBe(errorCode.enhanceYourCalm);
  expect(connection.activeStreams).toBe(0);
});

test('streams past the limit are refused, and a peer that goes on loses the connection', async () => {
  const { request, frames, requests } = setUp({ maxConcurrentStreams: 2 });
  await frames();
  for (let id = 1; id <= 7; id += 2) request(id);
  expect(requests).toHaveLength(2);
  const refused = (await frames()).filter(({ type }) => type === frameType.rstStream);
  expect(refused.map(({ streamId, first }) => [streamId, first])).toEqual([
    [5, errorCode.refusedStream],
    [7, errorCode.refusedStream],
  ]);
  for (let id = 9; id < 2000; id += 2) request(id);
  expect((await frames()).at(-1)?.type).toBe(frameType.goaway);
});

test('a body that is used is credited, so that the peer may go on', async () => {
  const { send, streams, frames, block } = setUp({ initialStreamWindowBytes: 65_535 });
  send(frame(frameType.headers, flag.endHeaders, 1, block(['content-type', 'x'])));
  expect(streams).toEqual([]);
  await frames();
  for (let i = 0; i < 5; i++) send(frame(frameType.data, 0, 1, 'x'.repeat(16_000)));
  expect((await frames()).filter(({ type }) => type === frameType.windowUpdate).length).toBeGreaterThan(0);
});

test('blocks that come again are decoded the same, also after the table has changed', () => {
  const { request, send, requests, block } = setUp();
  for (let id = 1; id < 13; id += 2) request(id, ['x-a', '1']);
  const again = block(['x-a', '1']);
  request(13, ['x-b', '2']);
  // After another insertion the same bytes mean other entries of the table: a request without :authority.
  send(frame(frameType.headers, flag.endHeaders | flag.endStream, 15, again));
  const headers = requests.map(({ head }) => head.headers);
  for (const list of headers.slice(0, 6)) expect(list).toEqual(['x-a', '1']);
  expect(headers[6]).toEqual(['x-b', '2']);
  expect(new Set(headers).size).toBe(7);
});

test('the encoder tells of the smallest table it had and of the one it has', () => {
  const encoder = new HpackEncoder();
  encoder.setTableLimit(0);
  encoder.setTableLimit(4096);
  encoder.begin();
  expect(encoder.finish().toString('hex')).toBe('203fe11f');
  const { send, output } = setUp();
  send(frame(frameType.settings, 0, 0, settingEntry(1, 100)));
  expect(output.ended).toBe(false);
});

test('keepalive: pings that are answered go on, one that is not ends the connection', async () => {
  const clock = new VirtualClock();
  const keepalive = { intervalMs: 1000, timeoutMs: 200, setTimeout: clock.setTimeout.bind(clock) };
  const { send, output, frames, request, requests } = setUp({ keepalive });
  request(1);
  await frames();
  for (let round = 0; round < 3; round++) {
    clock.advance(1000);
    expect((await frames()).map(({ type }) => type)).toEqual([frameType.ping]);
    send(frame(frameType.ping, flag.ack, 0, '\0\0\0alive'));
  }
  clock.advance(1199);
  expect(output.destroyed).toBeUndefined();
  clock.advance(1);
  expect(output.destroyed).toContain('keepalive');
  expect(requests[0]?.reset).toBe('connection-termination');
  expect(clock.pending).toBe(0);
});
