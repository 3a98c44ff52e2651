import type { FuzzTarget, Random } from '@xebec/core';
import { answeringHandler, CodecEvents, cutIntoReads, recordingReceiver, requireSame } from '../codec-events.ts';
import type { RequestHead, ResponseReceiver } from '../http.ts';
import { RecordingOutput } from '../recording.ts';
import { createHttp2ClientConnection } from './client-connection.ts';
import { createHttp2ServerConnection } from './server-connection.ts';

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const frameHeadBytes = 9;
/** An endpoint may hold back, but what it writes for a bounded input must be bounded: amplification is an attack. */
const maxWrittenPerInputByte = 64;
const maxWrittenBytes = 256 * 1024;

/** The preface and each frame: units to repeat, drop and swap. */
function splitFrames(input: Buffer): Buffer[] {
  const units: Buffer[] = [];
  let at = 0;
  if (input.subarray(0, preface.length).equals(preface)) {
    units.push(input.subarray(0, preface.length));
    at = preface.length;
  }
  while (at < input.length) {
    const length = at + frameHeadBytes <= input.length ? input.readUIntBE(at, 3) : input.length;
    const next = Math.min(input.length, at + frameHeadBytes + length);
    units.push(input.subarray(at, next));
    at = next;
  }
  return units;
}

const silent: ResponseReceiver = {
  onHead: () => undefined,
  onData: () => undefined,
  onTrailers: () => undefined,
  onReset: () => undefined,
  onDrain: () => undefined,
};

function request(path: string, headers: string[], method = 'GET'): RequestHead {
  return { method, path, authority: 'a.example', scheme: 'http', headers, version: 'HTTP/2' };
}

/** What real connections say, both ways: made by the codecs themselves, then changed. */
async function conversation(): Promise<{ readonly client: Buffer; readonly server: Buffer }> {
  const toServer = new RecordingOutput();
  const toClient = new RecordingOutput();
  const client = createHttp2ClientConnection(toServer);
  const server = createHttp2ServerConnection(toClient, answeringHandler(new CodecEvents()));
  client.openStream(silent)?.sendHead(request('/', ['accept', '*/*', 'cookie', 'a=1']), true);
  const post = client.openStream(silent);
  post?.sendHead(request('/post', ['content-type', 'application/grpc', 'te', 'trailers'], 'POST'), false);
  post?.sendData(Buffer.from('hello'), false);
  post?.sendTrailers(['x-sum', '1']);
  client.openStream(silent)?.sendHead(request('/', ['accept', '*/*', 'x-long', 'y'.repeat(300)]), true);
  // Outside of a read, codecs write in a microtask.
  await Promise.resolve();
  client.closed('recorded');
  const asked = Buffer.concat(toServer.written);
  server.receive(Buffer.from(asked));
  server.drain();
  await Promise.resolve();
  server.closed('recorded');
  return { client: asked, server: Buffer.concat(toClient.written) };
}

function frame(type: number, flags: number, stream: number, payload: string): string {
  const head = Buffer.alloc(frameHeadBytes);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return head.toString('latin1') + payload;
}

const frames = [
  frame(0, 0, 1, 'data'),
  frame(0, 1, 1, ''),
  frame(0, 8, 1, '\x03ab\0\0\0'),
  frame(1, 4, 1, '\x82\x86\x84'),
  frame(1, 0x2d, 3, '\0\0\0\0\0\x10\x82\x86\x84'),
  frame(2, 0, 1, '\0\0\0\0\x10'),
  frame(3, 0, 1, '\0\0\0\x08'),
  frame(4, 0, 0, '\0\x04\xff\xff\xff\xff'),
  frame(4, 0, 0, '\0\x04\0\0\0\0'),
  frame(4, 1, 0, ''),
  frame(5, 4, 1, '\0\0\0\x02\x82'),
  frame(6, 0, 0, 'pingpong'),
  frame(7, 0, 0, '\0\0\0\0\0\0\0\0'),
  frame(8, 0, 0, '\x7f\xff\xff\xff'),
  frame(8, 0, 1, '\0\0\0\0'),
  frame(9, 0, 1, '\x82'),
  frame(9, 4, 1, ''),
];

function bounded(output: RecordingOutput, input: Buffer): void {
  const written = output.text.length;
  if (written > maxWrittenBytes + maxWrittenPerInputByte * input.length) {
    throw new Error(`${input.length} bytes made the codec write ${written}`);
  }
}

function checkServer(input: Buffer, random: Random): void {
  const serve = (reads: readonly Buffer[]): readonly string[] => {
    const events = new CodecEvents();
    const output = new RecordingOutput();
    const connection = createHttp2ServerConnection(output, answeringHandler(events), { maxConcurrentStreams: 100, maxHeadersBytes: 8192 });
    for (const bytes of reads) connection.receive(bytes);
    if (connection.activeStreams > 100) throw new Error(`${connection.activeStreams} streams are open, 100 are allowed`);
    connection.closed('end of input');
    bounded(output, input);
    return events.lines;
  };
  requireSame(perStream(serve([Buffer.from(input)])), perStream(serve(cutIntoReads(input, random))), 'cut into reads');
}

function checkClient(input: Buffer, random: Random): void {
  const receive = (reads: readonly Buffer[]): readonly string[] => {
    const events = new CodecEvents();
    const output = new RecordingOutput();
    const connection = createHttp2ClientConnection(output, { maxHeadersBytes: 8192 });
    for (let i = 0; i < 3; i++) connection.openStream(recordingReceiver(events, i))?.sendHead(request('/', []), true);
    for (const bytes of reads) connection.receive(bytes);
    connection.closed('end of input');
    bounded(output, input);
    return events.lines;
  };
  requireSame(perStream(receive([Buffer.from(input)])), perStream(receive(cutIntoReads(input, random))), 'cut into reads');
}

/** Streams may be served in another order when reads are cut elsewhere; within a stream the order holds. */
function perStream(lines: readonly string[]): readonly string[] {
  return lines.toSorted((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
}

const { client, server } = await conversation();
if (client.length < 100 || server.length < 100) throw new Error('the recorded conversation is empty');

export const fuzzTargets: readonly FuzzTarget[] = [
  { name: 'http2-server', seeds: [client], dictionary: frames, split: splitFrames, check: checkServer },
  { name: 'http2-client', seeds: [server], dictionary: frames, split: splitFrames, check: checkClient },
];
