import { seededRandom } from '@xebec/core';
import { describe, expect, test } from 'vitest';
import type { ClientConnection, RequestHead, ResponseReceiver, ServerConnection } from './http.ts';
import { createHttp1ClientConnection } from './http1/client-connection.ts';
import { createHttp1ServerConnection } from './http1/server-connection.ts';
import { createHttp2ClientConnection } from './http2/client-connection.ts';
import { createHttp2ServerConnection } from './http2/server-connection.ts';
import { RecordingOutput, recordingHandler } from './recording.ts';

const versions = [
  { name: 'HTTP/1.1', server: createHttp1ServerConnection, client: createHttp1ClientConnection },
  { name: 'HTTP/2', server: createHttp2ServerConnection, client: createHttp2ClientConnection },
] as const;

/** Carries bytes between the two in pieces of random size until nothing moves. */
async function exchange(client: ClientConnection, fromClient: RecordingOutput, server: ServerConnection, fromServer: RecordingOutput) {
  const random = seededRandom(11);
  for (;;) {
    await Promise.resolve();
    await Promise.resolve();
    const forth = Buffer.concat(fromClient.written.splice(0));
    const back = Buffer.concat(fromServer.written.splice(0));
    if (forth.length === 0 && back.length === 0) return;
    for (const [bytes, to] of [
      [forth, server],
      [back, client],
    ] as const) {
      for (let at = 0; at < bytes.length; ) {
        const next = at + 1 + Math.floor(random.next() * 20_000);
        to.receive(bytes.subarray(at, next));
        at = next;
      }
    }
  }
}

describe.each(versions)('$name back to back', ({ server: createServer, client: createClient }) => {
  function setUp() {
    const fromServer = new RecordingOutput();
    const fromClient = new RecordingOutput();
    const recording = recordingHandler((stream, request) => {
      if (request.head.path === '/empty') stream.sendHead({ status: 204, headers: [] }, true);
      else {
        stream.sendHead({ status: 200, headers: ['x-a', '1', 'x-a', '2'] }, false);
        stream.sendData(Buffer.from(request.body, 'latin1'), false);
        stream.sendTrailers(['x-t', 'v']);
      }
    });
    const server = createServer(fromServer, recording.handler);
    const client = createClient(fromClient);
    const answers: { status: number; headers: string[]; body: string; trailers: string[]; reset: string; done: boolean }[] = [];
    const send = (given: Partial<RequestHead>, body: string) => {
      const answer = { status: 0, headers: [] as string[], body: '', trailers: [] as string[], reset: '', done: false };
      answers.push(answer);
      const receiver: ResponseReceiver = {
        onHead(head, end) {
          answer.status = head.status;
          answer.headers = head.headers;
          answer.done = end;
        },
        onData(data, end) {
          answer.body += data.toString('latin1');
          answer.done = end;
        },
        onTrailers(trailers) {
          answer.trailers = trailers;
          answer.done = true;
        },
        onReset(reason) {
          answer.reset = reason;
        },
        onDrain() {},
      };
      const stream = client.openStream(receiver);
      stream?.sendHead(
        { method: 'POST', path: '/', authority: 'a', scheme: 'http', headers: [], version: 'HTTP/1.1', ...given },
        body === '',
      );
      if (body !== '') stream?.sendData(Buffer.from(body, 'latin1'), true);
      return answer;
    };
    return { server, client, fromServer, fromClient, send, ...recording, move: () => exchange(client, fromClient, server, fromServer) };
  }
  test('a megabyte goes through and back, with trailers', async () => {
    const { send, move, requests } = setUp();
    const body = 'x\0y\xff'.repeat(300_000);
    const answer = send({ headers: ['x-b', 'c'] }, body);
    await move();
    expect(requests[0]?.head.headers).toContain('x-b');
    expect(answer).toMatchObject({
      status: 200,
      headers: expect.arrayContaining(['x-a', '1', 'x-a', '2']),
      trailers: ['x-t', 'v'],
      done: true,
    });
    expect(answer.body === body).toBe(true);
  });
  test('the connection is used again', async () => {
    const { send, move, client } = setUp();
    for (let i = 0; i < 20; i++) {
      expect(client.available).toBe(true);
      const answer = send({ method: 'GET', path: '/empty', headers: ['x-n', String(i)] }, '');
      await move();
      expect(answer).toMatchObject({ status: 204, done: true });
    }
    expect(client.activeStreams).toBe(0);
  });
  test('a lost connection resets what is open', async () => {
    const { send, client, server, requests, move } = setUp();
    const answer = send({ headers: ['content-length', '0'] }, '');
    client.closed('gone');
    expect(answer.reset).toBe('connection-termination');
    await move();
    server.closed('gone');
    expect(server.activeStreams).toBe(0);
    expect(requests.length).toBeLessThanOrEqual(1);
  });
});
