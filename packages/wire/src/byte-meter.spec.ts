import { describe, expect, it } from 'vitest';
import type { ByteMeter } from './byte-meter.ts';
import type { ClientConnection, ServerStream } from './http.ts';
import { createHttp1ClientConnection } from './http1/client-connection.ts';
import { createHttp1ServerConnection } from './http1/server-connection.ts';
import { createHttp2ClientConnection } from './http2/client-connection.ts';
import { createHttp2ServerConnection } from './http2/server-connection.ts';
import { RecordingOutput, recordingHandler } from './recording.ts';

const figures = (meter: ByteMeter | undefined) => ({ ...meter }); // Only its numbers are its own and visible.
const silent = {
  onHead: () => undefined,
  onData: () => undefined,
  onTrailers: () => undefined,
  onReset: () => undefined,
  onDrain: () => undefined,
};

/** A server that answers `hello` in chunks with a trailer, and the streams that it saw. */
function answering() {
  const streams: ServerStream[] = [];
  const { handler } = recordingHandler((stream) => {
    streams.push(stream);
    stream.sendHead({ status: 200, headers: ['x-a', 'b'] }, false);
    stream.sendData(Buffer.from('hello'), false);
    stream.sendTrailers(['x-t', 'u']);
  });
  return { handler, streams };
}

describe('HTTP/1', () => {
  it('meters a message by its bytes, its head by its lines', async () => {
    const { handler, streams } = answering();
    const output = new RecordingOutput();
    const request = 'POST /a HTTP/1.1\r\nhost: app\r\ncontent-length: 3\r\n\r\nabc';
    createHttp1ServerConnection(output, handler).receive(Buffer.from(request));
    await Promise.resolve();
    expect(output.text).toBe('HTTP/1.1 200 OK\r\nx-a: b\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-t: u\r\n\r\n');
    expect(figures(streams[0])).toMatchObject({
      wireBytesReceived: request.length,
      wireBytesSent: output.text.length,
      // Without `: ` and the line's end, and three for these.
      headerBytesReceived: 'hostapp'.length + 3 + 'content-length3'.length + 3,
      headerBytesSent: 'x-a: b\r\ntransfer-encoding: chunked\r\nx-t: u\r\n'.length,
    });
  });
  it('counts what came with the request before twice, and what came later once', async () => {
    const { handler, streams } = answering();
    const connection = createHttp1ServerConnection(new RecordingOutput(), handler);
    const request = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
    connection.receive(Buffer.from(`${request}${request}`));
    await Promise.resolve();
    connection.receive(Buffer.from(request));
    expect(streams.map(({ wireBytesReceived }) => wireBytesReceived)).toEqual([2 * request.length, request.length, request.length]);
  });
  it('tells of a head that has begun what has come of it so far', () => {
    const { handler } = answering();
    let begun: ByteMeter | undefined;
    const connection = createHttp1ServerConnection(new RecordingOutput(), { ...handler, onRequestBegins: (bytes) => (begun = bytes) });
    connection.receive(Buffer.from('GET / HTTP/1.1\r\nhost: a\r\n\r\n'));
    connection.receive(Buffer.from('GET / HT'));
    connection.receive(Buffer.from('TP/1.1'));
    expect(figures(begun)).toMatchObject({ wireBytesReceived: 14, headerBytesReceived: 0 });
  });
  it('tells of a request that it refuses, with the answer once it is written', () => {
    const output = new RecordingOutput();
    let seen: object | undefined;
    createHttp1ServerConnection(output, {
      onRequest: () => silent,
      onRefusedRequest: ({ bytes }) => ({ headers: [], body: 'no', onWritten: () => (seen = figures(bytes)) }),
      onProtocolError: () => undefined,
    }).receive(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
    expect(seen).toMatchObject({ wireBytesReceived: 18, wireBytesSent: output.text.length, headerBytesReceived: 3 });
  });
});

describe.each([
  ['HTTP/1', createHttp1ServerConnection, createHttp1ClientConnection],
  ['HTTP/2', createHttp2ServerConnection, createHttp2ClientConnection],
] as const)('%s', (name, createServer, createClient) => {
  it('counts the same at both ends of a connection, and none of what is not of the stream', async () => {
    const [forth, back] = [new RecordingOutput(), new RecordingOutput()];
    const { handler, streams } = answering();
    const server = createServer(back, handler);
    const client: ClientConnection = createClient(forth, {});
    const stream = client.openStream(silent);
    stream?.sendHead({ method: 'POST', path: '/', authority: 'app', scheme: 'http', headers: ['x-b', 'c'], version: 'HTTP/1.1' }, false);
    stream?.sendData(Buffer.from('abc'), false);
    stream?.sendTrailers(['x-end', 'yes']);
    let [went, came] = [0, 0];
    for (let i = 0; i < 4; i++) {
      await Promise.resolve();
      for (const bytes of forth.written.splice(0)) {
        went += bytes.length;
        server.receive(bytes);
      }
      await Promise.resolve();
      for (const bytes of back.written.splice(0)) {
        came += bytes.length;
        client.receive(bytes);
      }
    }
    const [mine, theirs] = [figures(stream), figures(streams[0])];
    expect([mine.wireBytesSent, mine.wireBytesReceived]).toEqual([theirs.wireBytesReceived, theirs.wireBytesSent]);
    if (name === 'HTTP/1') expect([mine.wireBytesSent, theirs.wireBytesSent]).toEqual([went, came]);
    else {
      expect(mine.headerBytesSent).toBe(theirs.headerBytesReceived);
      expect(mine.decompressedHeaderBytesSent).toBe(theirs.decompressedHeaderBytesReceived);
      expect(theirs.decompressedHeaderBytesSent).toBe(':status200x-abx-tu'.length);
      // Bodies are a frame each; settings and the preface are nobody's.
      expect((theirs.wireBytesSent ?? 0) - (theirs.headerBytesSent ?? 0)).toBe(9 + 'hello'.length);
      expect(mine.wireBytesSent).toBeLessThan(went);
    }
  });
});
