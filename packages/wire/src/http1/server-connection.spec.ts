import { seededRandom } from '@xebec/core';
import { describe, expect, test } from 'vitest';
import { RecordingOutput, recordingHandler } from '../recording.ts';
import type { Http1ServerOptions } from './options.ts';
import { createHttp1ServerConnection } from './server-connection.ts';

function serve(pieces: readonly (string | Buffer)[], options: Http1ServerOptions = {}) {
  const output = new RecordingOutput();
  const { requests, errors, handler } = recordingHandler((stream, request) => {
    stream.sendHead({ status: request.head.upgrade === undefined ? 200 : 101, headers: [] }, false);
    if (request.head.upgrade === undefined) stream.sendData(Buffer.from(`${request.head.path}|${request.body}`), true);
  });
  const connection = createHttp1ServerConnection(output, handler, options);
  for (const piece of pieces) connection.receive(Buffer.from(piece as string, 'latin1'));
  return { output, requests, errors, connection };
}

const get = 'GET / HTTP/1.1\r\nHost: a\r\n';
const post = 'POST / HTTP/1.1\r\nHost: a\r\n';

describe('refused', () => {
  test.each([
    ['content-length and transfer-encoding', `${post}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`, 400],
    ['equal content-lengths', `${post}Content-Length: 1\r\nContent-Length: 1\r\n\r\na`, 400],
    ['a list of content-lengths', `${post}Content-Length: 1, 1\r\n\r\na`, 400],
    ['a signed content-length', `${post}Content-Length: +1\r\n\r\na`, 400],
    ['a folded line', `${get}X: a\r\n b\r\n\r\n`, 400],
    ['bare LF', 'GET / HTTP/1.1\nHost: a\n\n', 400],
    ['bare LF in a CRLF head', `${get}X: a\nY: b\r\n\r\n`, 400],
    ['bare CR', `${get}X: a\rb\r\n\r\n`, 400],
    ['NUL', `${get}X: a\0b\r\n\r\n`, 400],
    ['space before the colon', `${get}X : a\r\n\r\n`, 400],
    ['an empty name', `${get}: a\r\n\r\n`, 400],
    ['a line without colon', `${get}X\r\n\r\n`, 400],
    ['a coding before chunked', `${post}Transfer-Encoding: gzip, chunked\r\n\r\n`, 501],
    ['chunked twice', `${post}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`, 501],
    ['a disguised chunked', `${post}Transfer-Encoding: \x0bchunked\r\n\r\n`, 400],
    ['no host', 'GET / HTTP/1.1\r\n\r\n', 400],
    ['two hosts', `${get}Host: b\r\n\r\n`, 400],
    ['a host with a path', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 400],
    ['user info in the target', 'GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['a relative target', 'GET x HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['HTTP/1.0', 'GET / HTTP/1.0\r\n\r\n', 426],
    ['HTTP/1.2', 'GET / HTTP/1.2\r\nHost: a\r\n\r\n', 426],
    ['too large a head', `${get}X: ${'a'.repeat(70_000)}`, 431],
    ['too many headers', `${get}${'X: 1\r\n'.repeat(100)}\r\n`, 431],
  ])('%s', (_name, text, status) => {
    const { output, requests, errors } = serve([text]);
    expect(output.text).toMatch(new RegExp(`^HTTP/1.1 ${status} [\\s\\S]*connection: close`));
    expect(requests).toEqual([]);
    expect(errors).toHaveLength(1);
  });
  test.each([
    ['no hex digit', 'x\r\n'],
    ['a sign', '-1\r\n'],
    ['a prefix', '0x1\r\na\r\n'],
    ['space after the size', '1 \r\na\r\n'],
    ['bare LF after the size', '1\na\r\n'],
    ['a size past 48 bits', 'fffffffffffff\r\n'],
    ['data longer than the size', '1\r\nab\r\n'],
    ['a long extension', `1;${'a'.repeat(5000)}\r\na\r\n`],
    ['a control in an extension', '1;a\0\r\na\r\n'],
    ['bare LF in trailers', '0\r\nx: y\n\r\n'],
  ])('chunk with %s', (_name, chunk) => {
    const { output, requests, errors } = serve([`${post}Transfer-Encoding: chunked\r\n\r\n${chunk}`]);
    expect(output.text).toMatch(/^HTTP\/1.1 400 /);
    expect(requests[0]?.reset).toBe('protocol-error');
    expect(errors).toHaveLength(1);
  });
});

const conversation = [
  '\r\nGET /one?x=1 HTTP/1.1\r\nHost: a\r\nX-A:  b \r\n\r\n',
  'POST /two HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello',
  'POST /three HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n5;e=1\r\nhello\r\n06\r\n world\r\n0\r\nX-T: v\r\nContent-Length: 9\r\n\r\n',
  'GET http://b:81/four HTTP/1.1\r\nHost: a\r\nConnection: close, x-hop\r\nX-Hop: 1\r\n\r\n',
].join('');

describe('equivalence of splits', () => {
  const whole = serve([conversation]);
  test('the whole at once', () => {
    expect(whole.requests.map(({ head, body }) => [head.method, head.authority, head.path, body])).toEqual([
      ['GET', 'a', '/one?x=1', ''],
      ['POST', 'a', '/two', 'hello'],
      ['POST', 'a', '/three', 'hello world'],
      ['GET', 'b:81', '/four', ''],
    ]);
    expect(whole.requests[2]?.trailers).toEqual(['x-t', 'v']);
    expect(whole.requests[0]?.head.headers).toEqual(['x-a', 'b']);
    expect(whole.requests[3]?.head.headers).toEqual([]);
    expect(whole.output.written).toHaveLength(1);
    expect(whole.output.ended).toBe(true);
  });
  test('byte by byte', () => {
    const split = serve([...conversation]);
    expect(split.requests).toEqual(whole.requests);
    expect(split.output.text).toBe(whole.output.text);
  });
  test('at random', () => {
    const random = seededRandom(5);
    for (let run = 0; run < 200; run++) {
      const pieces: string[] = [];
      for (let at = 0; at < conversation.length; ) {
        const next = at + 1 + Math.floor(random.next() * 60);
        pieces.push(conversation.slice(at, next));
        at = next;
      }
      const split = serve(pieces);
      expect(split.requests).toEqual(whole.requests);
      expect(split.output.text).toBe(whole.output.text);
    }
  });
});

test('after 101 bytes flow raw, also those that came early', () => {
  const { requests, output } = serve([`${get}Connection: Upgrade\r\nUpgrade: WebSocket\r\n\r\nearly`, ' late']);
  expect(requests[0]?.head.upgrade).toBe('websocket');
  expect(requests[0]?.body).toBe('early late');
  expect(output.text).toContain('connection: upgrade\r\nupgrade: websocket\r\n');
});

test('HTTP/1.0 is answered when accepted', () => {
  const { output } = serve(['GET /old HTTP/1.0\r\n\r\n'], { acceptHttp10: true });
  expect(output.text).toBe('HTTP/1.0 200 OK\r\nconnection: close\r\n\r\n/old|');
  expect(output.ended).toBe(true);
});

test('draining closes after the response', () => {
  const output = new RecordingOutput();
  const { handler } = recordingHandler((stream) => stream.sendHead({ status: 204, headers: [] }, true));
  const connection = createHttp1ServerConnection(output, handler);
  connection.receive(Buffer.from('GET / HTTP/1.1\r\n'));
  connection.drain();
  connection.receive(Buffer.from('Host: a\r\n\r\n'));
  expect(output.text).toBe('HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n');
  expect(output.ended).toBe(true);
});

test('a head that comes again is the same whatever became of the one before it', () => {
  const output = new RecordingOutput();
  const seen: string[][] = [];
  const { handler } = recordingHandler((stream, { head }) => {
    seen.push([head.path, ...head.headers]);
    head.headers.length = 0;
    head.headers.push('forged', head.path);
    const answer = ['x-same', 'a', 'content-length', '0', head.path === '/2' ? 'x-other' : 'x-name', 'b', 'x-last', head.path];
    stream.sendHead({ status: 200, headers: answer }, true);
  });
  const connection = createHttp1ServerConnection(output, handler);
  const rest = ' HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nConnection: x-b\r\nX-B: 2\r\n\r\n';
  for (const path of ['/1', '/2', '/1']) connection.receive(Buffer.from(`GET ${path}${rest}`));
  expect(seen).toEqual([
    ['/1', 'x-a', '1'],
    ['/2', 'x-a', '1'],
    ['/1', 'x-a', '1'],
  ]);
  const response = (name: string, path: string) =>
    `HTTP/1.1 200 OK\r\nx-same: a\r\n${name}: b\r\nx-last: ${path}\r\ncontent-length: 0\r\n\r\n`;
  expect(output.text).toBe(response('x-name', '/1') + response('x-other', '/2') + response('x-name', '/1'));
});

test('values cannot end their line, also when the line before them was kept', () => {
  const output = new RecordingOutput();
  const { handler } = recordingHandler((stream, { head }) => {
    stream.sendHead({ status: 204, headers: ['X-Upper', 'a', 'x-a', head.path === '/2' ? 'b\r\nx-evil: 1' : 'b  x-evil: 1'] }, true);
  });
  const connection = createHttp1ServerConnection(output, handler);
  for (const path of ['/1', '/2', '/1']) connection.receive(Buffer.from(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`));
  expect(output.text).toBe('HTTP/1.1 204 No Content\r\nx-upper: a\r\nx-a: b  x-evil: 1\r\n\r\n'.repeat(3));
});

test('input that is overwritten after each call is kept where it is needed later', () => {
  const whole = serve([conversation]);
  const area = Buffer.alloc(conversation.length);
  const output = new RecordingOutput();
  const { requests, handler } = recordingHandler((stream, request) => {
    stream.sendHead({ status: 200, headers: [] }, false);
    stream.sendData(Buffer.from(`${request.head.path}|${request.body}`), true);
  });
  const connection = createHttp1ServerConnection(output, handler);
  for (let at = 0; at < conversation.length; at += 7) {
    const length = area.write(conversation.slice(at, at + 7), 'latin1');
    connection.receive(area.subarray(0, length));
    area.fill(0);
  }
  expect(requests).toEqual(whole.requests);
  expect(output.text).toBe(whole.output.text);
});
