import { expect, test } from 'vitest';
import { RecordingOutput, recordingHandler } from '../recording.ts';
import { createHttp1ServerConnection } from './server-connection.ts';

function setUp() {
  const output = new RecordingOutput();
  const { handler } = recordingHandler((stream) => stream.sendHead({ status: 200, headers: [] }, true));
  let begun = 0;
  const connection = createHttp1ServerConnection(output, { ...handler, onRequestBegins: () => begun++ });
  return { output, connection, send: (text: string) => connection.receive(Buffer.from(text, 'latin1')), begun: () => begun };
}

test('a head that does not come whole is told of once', () => {
  const { send, begun } = setUp();
  send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  expect(begun()).toBe(0);
  for (const piece of ['GET /', ' HTTP/1.1\r\n', 'host: a\r\n']) send(piece);
  expect(begun()).toBe(1);
  send('\r\nGET');
  expect(begun()).toBe(2);
});

test('empty lines begin a head', () => {
  const { send, begun } = setUp();
  send('\r\n\r\n');
  expect(begun()).toBe(1);
  send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  expect(begun()).toBe(1);
});

test('what begins no method is refused before its line ends', () => {
  const { send, output, begun } = setUp();
  send('\x16\x03\x01');
  expect([begun(), output.text.startsWith('HTTP/1.1 400 '), output.ended]).toEqual([1, true, true]);
});

test('only a head that has begun can be refused from above', async () => {
  const { send, connection, output } = setUp();
  expect(connection.refuse(408, 'too late')).toBe(false);
  send('GET / HT');
  expect(connection.refuse(408, 'too late')).toBe(true);
  send('TP/1.1\r\nhost: a\r\n\r\n');
  await new Promise(setImmediate);
  expect([output.text.startsWith('HTTP/1.1 408 '), output.text.indexOf('200')]).toEqual([true, -1]);
});
