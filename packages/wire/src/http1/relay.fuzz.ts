import type { FuzzTarget, Random } from '@xebec/core';
import { cutIntoReads } from '../codec-events.ts';
import type { ClientStream } from '../http.ts';
import { RecordingOutput } from '../recording.ts';
import { beginBatch, endBatch } from '../write-batch.ts';
import { createHttp1ClientConnection } from './client-connection.ts';
import { requestSeeds } from './request-seeds.ts';
import { createHttp1ServerConnection } from './server-connection.ts';
import { splitLines } from './split-lines.ts';

/**
 * What goes upstream when requests are passed on as they come, each on a connection of its own. Every read goes through one area
 * that is overwritten after the batch, as the data plane's sockets read: who keeps bytes must have copied them.
 */
function relay(reads: readonly Buffer[]): string {
  const area = Buffer.alloc(Math.max(1, ...reads.map(({ length }) => length)));
  const upstreams: RecordingOutput[] = [];
  const connection = createHttp1ServerConnection(
    new RecordingOutput(),
    {
      onRequest(server, head, endStream) {
        const output = new RecordingOutput();
        upstreams.push(output);
        const client = createHttp1ClientConnection(output);
        const ignore = (): undefined => undefined;
        const upstream: ClientStream | undefined = client.openStream({
          onHead: ignore,
          onData: ignore,
          onTrailers: ignore,
          onReset: ignore,
          onDrain: ignore,
        });
        upstream?.sendHead(head, endStream);
        const answer = (): void => server.sendHead({ status: 204, headers: [] }, true);
        if (endStream) answer();
        return {
          onData(data, end) {
            upstream?.sendData(data, end);
            if (end) answer();
          },
          onTrailers(trailers) {
            upstream?.sendTrailers(trailers);
            answer();
          },
          onReset: ignore,
          onDrain: ignore,
        };
      },
      onProtocolError: () => undefined,
    },
    { maxHeadersBytes: 4096 },
  );
  for (const bytes of reads) {
    bytes.copy(area);
    beginBatch();
    connection.receive(area.subarray(0, bytes.length));
    endBatch();
    area.fill('!', 0, bytes.length);
  }
  connection.closed('end of input');
  return upstreams.map(({ text }) => dechunked(text)).join('\n---\n');
}

/** A chunked body without its chunks' sizes: how it is cut may follow the reads. */
function dechunked(message: string): string {
  const start = message.indexOf('\r\n\r\n') + 4;
  if (!message.slice(0, start).includes('\r\ntransfer-encoding: chunked\r\n')) return message;
  let text = message.slice(0, start);
  let at = start;
  while (at < message.length) {
    const lineEnd = message.indexOf('\r\n', at);
    const size = Number.parseInt(message.slice(at, lineEnd), 16);
    if (lineEnd === -1 || Number.isNaN(size)) throw new Error(`no chunk at ${at} of ${JSON.stringify(message)}`);
    if (size === 0) return `${text}\0${message.slice(lineEnd)}`;
    text += message.slice(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 2 + size + 2;
  }
  return text;
}

function check(input: Buffer, random: Random): void {
  const whole = relay([input]);
  const inReads = relay(cutIntoReads(input, random));
  if (whole !== inReads)
    throw new Error(`what goes upstream depends on where reads are cut: ${JSON.stringify(inReads)}, not ${JSON.stringify(whole)}`);
}

export const fuzzTargets: readonly FuzzTarget[] = [
  {
    name: 'http1-relay',
    seeds: [
      ...requestSeeds,
      Buffer.from(`POST /long HTTP/1.1\r\nHost: a\r\nContent-Length: 6000\r\n\r\n${'0123456789'.repeat(600)}`),
      Buffer.from(`POST /long HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nbb8\r\n${'abc'.repeat(1000)}\r\n0\r\n\r\n`),
    ],
    dictionary: ['\r\n', 'Content-Length: 5\r\n', 'Transfer-Encoding: chunked\r\n', '0\r\n\r\n', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'],
    split: splitLines,
    check,
  },
];
