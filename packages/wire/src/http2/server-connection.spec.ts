import { expect, test } from 'vitest';
import { HpackEncoder } from '../hpack/encoder.ts';
import type { ServerStream } from '../http.ts';
import { RecordingOutput, recordingHandler } from '../recording.ts';
import { errorCode, flag, frameType, preface, settingEntry, uint32 } from './constants.ts';
import { createHttp2ServerConnection } from './server-connection.ts';

interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

function frame(type: number, flags: number, streamId: number, payload = ''): string {
  const { length } = payload;
  return String.fromCharCode(length >> 16, (length >> 8) & 255, length & 255, type, flags) + uint32(streamId) + payload;
}

function setUp() {
  const output = new RecordingOutput();
  const recording = recordingHandler((stream, request) => {
    if (request.head.path === '/hang') return;
    stream.sendHead({ status: request.head.upgrade === undefined ? 200 : 101, headers: [] }, false);
    if (request.head.upgrade === undefined) stream.sendData(Buffer.alloc(100_000, 'a'), true);
  });
  const connection = createHttp2ServerConnection(output, recording.handler, { maxConcurrentStreams: 10_000 });
  const encoder = new HpackEncoder();
  const send = (text: string) => connection.receive(Buffer.from(text, 'latin1'));
  const request = (streamId: number, path: string, more: readonly string[] = [], endStream = true) => {
    encoder.begin();
    const fields = [':method', 'GET', ':scheme', 'http', ':path', path, ':authority', 'a', ...more];
    for (let i = 0; i < fields.length; i += 2) encoder.field(fields[i] ?? '', fields[i + 1] ?? '');
    send(frame(frameType.headers, flag.endHeaders | (endStream ? flag.endStream : 0), streamId, encoder.finish().toString('latin1')));
  };
  const frames = (): Frame[] => {
    const bytes = Buffer.concat(output.written.splice(0));
    const found: Frame[] = [];
    for (let at = 0; at < bytes.length; ) {
      const end = at + 9 + bytes.readUIntBE(at, 3);
      found.push({
        type: bytes[at + 3] ?? 0,
        flags: bytes[at + 4] ?? 0,
        streamId: bytes.readUInt32BE(at + 5),
        payload: bytes.subarray(at + 9, end),
      });
      at = end;
    }
    return found;
  };
  const goaway = () =>
    frames()
      .find(({ type }) => type === frameType.goaway)
      ?.payload.readUInt32BE(4);
  send(preface + frame(frameType.settings, 0, 0));
  return { output, connection, send, request, frames, goaway, ...recording };
}

test('data waits for the windows and goes on when they open', () => {
  const { request, frames, send } = setUp();
  request(1, '/');
  const bytes = () => frames().reduce((sum, { type, payload }) => sum + (type === frameType.data ? payload.length : 0), 0);
  expect(bytes()).toBe(65_535);
  send(frame(frameType.windowUpdate, 0, 1, uint32(50_000)));
  expect(bytes()).toBe(0);
  send(frame(frameType.windowUpdate, 0, 0, uint32(10)));
  expect(bytes()).toBe(10);
  send(frame(frameType.windowUpdate, 0, 0, uint32(1_000_000)));
  expect(bytes()).toBe(100_000 - 65_545);
});

test('floods end in ENHANCE_YOUR_CALM', () => {
  const floods: ((to: ReturnType<typeof setUp>, i: number) => void)[] = [
    (to) => to.send(frame(frameType.ping, 0, 0, 'pingpong')),
    (to) => to.send(frame(frameType.settings, 0, 0, settingEntry(4, 65_535))),
    (to, i) => (i === 0 ? to.request(1, '/hang', [], false) : to.send(frame(frameType.data, 0, 1))),
    (to, i) => {
      to.request(2 * i + 1, '/hang');
      to.send(frame(frameType.rstStream, 0, 2 * i + 1, uint32(errorCode.cancel)));
    },
    (to, i) => to.send(i === 0 ? frame(frameType.headers, 0, 1) : frame(frameType.continuation, 0, 1)),
  ];
  for (const [index, flood] of floods.entries()) {
    const to = setUp();
    for (let i = 0; i < 3000; i++) flood(to, i);
    expect([index, to.goaway()]).toEqual([index, errorCode.enhanceYourCalm]);
    expect(to.connection.activeStreams).toBe(0);
  }
});

test.each([
  ['upper case', ['X-A', '1']],
  ['connection', ['connection', 'close']],
  ['te', ['te', 'gzip']],
  ['a line break', ['x-a', '1\r\nx: 2']],
  ['a late pseudo-header', ['x-a', '1', ':path', '/']],
  ['two lengths', ['content-length', '0', 'content-length', '0']],
  ['a length without body', ['content-length', '5']],
])('malformed request: %s', (_name, more) => {
  const { request, frames, requests } = setUp();
  request(1, '/', more);
  expect(requests).toEqual([]);
  const reset = frames().find(({ type }) => type === frameType.rstStream);
  expect(reset?.payload.readUInt32BE(0)).toBe(errorCode.protocolError);
});

test('ignores a host field beside :authority', () => {
  const { request, requests } = setUp();
  request(1, '/', ['host', 'b']);
  expect(requests).toHaveLength(1);
  expect(JSON.stringify(requests)).not.toContain('"host"');
});

test('host beside :authority is dropped, as Envoy drops it', () => {
  const { request, requests } = setUp();
  request(1, '/', ['host', 'b', 'x-a', '1']);
  expect(requests.map(({ head }) => head.headers)).toEqual([['x-a', '1']]);
});

test('extended CONNECT looks like an upgrade above and 200 on the wire', () => {
  const { send, requests, frames } = setUp();
  const encoder = new HpackEncoder();
  encoder.begin();
  for (const [name, value] of [
    [':method', 'CONNECT'],
    [':protocol', 'websocket'],
    [':scheme', 'http'],
    [':path', '/ws'],
    [':authority', 'a'],
  ] as const) {
    encoder.field(name, value);
  }
  send(frame(frameType.headers, flag.endHeaders, 1, encoder.finish().toString('latin1')));
  send(frame(frameType.data, 0, 1, 'hello'));
  expect(requests[0]).toMatchObject({ head: { method: 'GET', upgrade: 'websocket' }, body: 'hello' });
  expect(frames().find(({ type }) => type === frameType.headers)?.payload[0]).toBe(0x88);
});

test('drain: a GOAWAY that announces it, one that says it, then the end', () => {
  const { connection, request, frames, send, output } = setUp();
  request(1, '/hang');
  frames();
  connection.announceDrain();
  connection.drain();
  send(frame(frameType.ping, 0, 0, '12345678'));
  const told = frames().filter(({ type }) => type === frameType.goaway);
  expect(told.map(({ payload }) => payload.readUInt32BE(0))).toEqual([2 ** 31 - 1, 1]);
  expect(output.ended).toBe(false);
  send(frame(frameType.rstStream, 0, 1, uint32(errorCode.cancel)));
  expect(output.ended).toBe(true);
});

test('a response that waits for a window is unsent until it has gone', () => {
  const drained: number[] = [];
  const output = new RecordingOutput();
  let stream: ServerStream | undefined;
  const connection = createHttp2ServerConnection(output, {
    onRequest(opened) {
      stream = opened;
      return { onData() {}, onTrailers() {}, onReset() {}, onDrain: () => drained.push(1) };
    },
    onProtocolError() {},
  });
  const encoder = new HpackEncoder();
  encoder.begin();
  for (const [name, value] of Object.entries({ ':method': 'GET', ':scheme': 'http', ':path': '/', ':authority': 'a' }))
    encoder.field(name, value);
  const headers = frame(frameType.headers, flag.endHeaders | flag.endStream, 1, encoder.finish().toString('latin1'));
  const settings = frame(frameType.settings, 0, 0, settingEntry(4, 1));
  connection.receive(Buffer.from(preface + settings + headers, 'latin1'));
  stream?.sendHead({ status: 200, headers: [] }, false);
  expect([stream?.sendData(Buffer.from('ab'), true), stream?.unsent, drained]).toEqual([false, true, []]);
  connection.receive(Buffer.from(frame(frameType.windowUpdate, 0, 1, uint32(1)), 'latin1'));
  expect([stream?.unsent, drained]).toEqual([false, [1]]);
});
