import type { FuzzTarget, Random } from '@xebec/core';
import { CodecEvents, cutIntoReads, recordingReceiver, requireSame } from '../codec-events.ts';
import { RecordingOutput } from '../recording.ts';
import { createHttp1ClientConnection } from './client-connection.ts';
import { splitLines } from './split-lines.ts';

const seeds = [
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 304 Not Modified\r\nETag: "1"\r\nContent-Length: 9\r\n\r\n',
  'HTTP/1.0 200 OK\r\n\r\nuntil the end',
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nraw',
  'HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
].map((text) => Buffer.from(text, 'latin1'));

function receiveAll(reads: readonly Buffer[], method: string, upgrade: boolean): readonly string[] {
  const events = new CodecEvents();
  const connection = createHttp1ClientConnection(new RecordingOutput(), { maxHeadersBytes: 4096 });
  let opened = 0;
  const open = (): void => {
    const number = opened++;
    const receiver = recordingReceiver(events, number);
    const stream = connection.openStream(receiver);
    if (stream === undefined) events.add(number, 'refused');
    const head = { method, path: '/', authority: 'a', scheme: 'http', headers: [], version: 'HTTP/1.1' as const };
    stream?.sendHead(upgrade ? { ...head, upgrade: 'websocket' } : head, true);
  };
  open();
  for (const bytes of reads) connection.receive(bytes);
  connection.receiveEnd();
  if (connection.available) open();
  connection.closed('end of input');
  return events.lines;
}

function check(input: Buffer, random: Random): void {
  const method = random.next() < 0.2 ? 'HEAD' : 'GET';
  const upgrade = random.next() < 0.2;
  requireSame(
    receiveAll([Buffer.from(input)], method, upgrade),
    receiveAll(cutIntoReads(input, random), method, upgrade),
    'cut into reads',
  );
}

export const fuzzTargets: readonly FuzzTarget[] = [
  {
    name: 'http1-client',
    seeds,
    dictionary: [
      '\r\n',
      '\n',
      'Content-Length: 5\r\n',
      'Content-Length: -1\r\n',
      'Transfer-Encoding: chunked\r\n',
      'HTTP/1.1 100 Continue\r\n\r\n',
      'HTTP/1.1 204 No Content\r\n',
      'HTTP/2 200\r\n',
      'HTTP/1.1 99999 X\r\n',
      '0\r\n\r\n',
      '\0',
    ],
    split: splitLines,
    check,
  },
];
