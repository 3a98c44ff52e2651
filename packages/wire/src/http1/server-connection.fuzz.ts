import type { FuzzTarget, Random } from '@xebec/core';
import { answeringHandler, CodecEvents, cutIntoReads, headText, requireSame } from '../codec-events.ts';
import type { RequestHead } from '../http.ts';
import { RecordingOutput } from '../recording.ts';
import { createHttp1ClientConnection } from './client-connection.ts';
import type { Http1ServerOptions } from './options.ts';
import { readByReference } from './reference-parser.ts';
import { requestSeeds } from './request-seeds.ts';
import { createHttp1ServerConnection } from './server-connection.ts';
import { splitLines } from './split-lines.ts';

interface Served {
  readonly events: readonly string[];
  readonly written: string;
}

function serve(reads: readonly Buffer[]): Served {
  const events = new CodecEvents();
  const output = new RecordingOutput();
  const connection = createHttp1ServerConnection(output, answeringHandler(events), { maxHeadersBytes: 4096 });
  for (const bytes of reads) connection.receive(bytes);
  connection.closed('end of input');
  return { events: events.lines, written: output.text };
}

interface Forwarded {
  readonly head: RequestHead;
  body: Buffer;
  complete: boolean;
}

/** The requests as a proxy would take them from the input: heads, bodies joined. */
function requestsIn(input: Buffer, limits: Http1ServerOptions = { maxHeadersBytes: 4096 }): Forwarded[] {
  const requests: Forwarded[] = [];
  const connection = createHttp1ServerConnection(
    new RecordingOutput(),
    {
      onRequest(stream, head, endStream) {
        const request: Forwarded = { head: structuredClone(head), body: Buffer.alloc(0), complete: endStream };
        requests.push(request);
        const end = (): void => {
          request.complete = true;
          stream.sendHead({ status: 204, headers: [] }, true);
        };
        if (endStream) end();
        return {
          onData(data, last) {
            request.body = Buffer.concat([request.body, data]);
            if (last) end();
          },
          onTrailers: end,
          onReset: () => undefined,
          onDrain: () => undefined,
        };
      },
      onProtocolError: () => undefined,
    },
    limits,
  );
  connection.receive(Buffer.from(input));
  connection.closed('end of input');
  return requests;
}

/** What a client connection writes for a request; outside of a read, codecs write in a microtask. */
async function forward({ head, body }: Forwarded): Promise<Buffer> {
  const output = new RecordingOutput();
  const connection = createHttp1ClientConnection(output);
  const stream = connection.openStream({
    onHead: () => undefined,
    onData: () => undefined,
    onTrailers: () => undefined,
    onReset: () => undefined,
    onDrain: () => undefined,
  });
  stream?.sendHead(structuredClone(head), body.length === 0);
  if (body.length > 0) stream?.sendData(body, true);
  await Promise.resolve();
  connection.closed('end of request');
  return Buffer.concat(output.written);
}

/** A forwarded request must be one request to the next server, with the same head and body: nothing is smuggled in it. */
async function requireOneRequest(request: Forwarded): Promise<void> {
  if (request.head.upgrade !== undefined || request.head.method === 'CONNECT') return;
  const bytes = await forward(request);
  // A proxy may add a field: the next server's limits must not be what decides.
  const seen = requestsIn(bytes, { maxHeadersBytes: 65_536, maxHeadersCount: 1000 });
  if (seen.length !== 1) throw new Error(`one request was forwarded as ${seen.length}: ${JSON.stringify(bytes.toString('latin1'))}`);
  const [only] = seen;
  if (only?.complete !== true) throw new Error(`the forwarded request has no end: ${JSON.stringify(bytes.toString('latin1'))}`);
  if (only.body.compare(request.body) !== 0) throw new Error('the forwarded body is another');
  const name = ({ head }: Forwarded): string => headText({ ...head, headers: [], version: 'HTTP/1.1', scheme: 'http' });
  if (name(only) !== name(request)) throw new Error(`the forwarded request line changed: ${name(request)} became ${name(only)}`);
}

/** Which of several errors of one head is answered may depend on what of it has come: all refuse it and close. */
function settled(written: string): string {
  return written.replace(/HTTP\/1\.1 [45]\d\d [\s\S]*connection: close[\s\S]*$/, 'refused');
}

/** Errors of the reference that are not about framing: methods it does not know, and what may follow a message. */
const otherOpinions = new Set([
  'HPE_INVALID_METHOD',
  'HPE_INVALID_VERSION',
  'HPE_INVALID_URL',
  'HPE_CLOSED_CONNECTION',
  'HPE_PAUSED_UPGRADE',
]);

/**
 * What is accepted here, another parser must accept, with the same method and body: where two servers in a row see different
 * requests, one can be smuggled past the first.
 */
function requireAgreement(input: Buffer, requests: readonly Forwarded[]): void {
  const reference = readByReference(Buffer.from(input));
  for (const [i, { head, body, complete }] of requests.entries()) {
    if (!complete || head.upgrade !== undefined || head.method === 'CONNECT') return;
    const other = reference.requests[i];
    if (other?.complete !== true) {
      if (reference.error !== undefined && (otherOpinions.has(reference.error) || reference.reason.includes('extension'))) return;
      // A tab is white space around a value (RFC 9110 section 5.6.3); the reference takes it for part of the coding.
      if (reference.error === 'HPE_INVALID_TRANSFER_ENCODING' && input.includes('\t')) return;
      // Trailers that would change the framing: refused there, dropped here.
      if (other?.method === head.method && other.body === body.toString('latin1')) return;
      throw new Error(`request ${i} (${headText(head)}) is none to another parser: ${reference.error ?? 'incomplete'}`);
    }
    if (other.method !== head.method) throw new Error(`request ${i} is ${head.method} here and ${other.method} elsewhere`);
    if (other.body !== body.toString('latin1')) throw new Error(`request ${i} has another body elsewhere`);
  }
}

async function check(input: Buffer, random: Random): Promise<void> {
  const whole = serve([Buffer.from(input)]);
  const inReads = serve(cutIntoReads(input, random));
  requireSame(whole.events, inReads.events, 'cut into reads');
  if (settled(whole.written) !== settled(inReads.written)) throw new Error('answers depend on where reads are cut');
  const requests = requestsIn(input);
  requireAgreement(input, requests);
  for (const request of requests) if (request.complete) await requireOneRequest(request);
}

export const fuzzTargets: readonly FuzzTarget[] = [
  {
    name: 'http1-server',
    seeds: requestSeeds,
    dictionary: [
      '\r\n',
      '\n',
      '\r\n\r\n',
      'Content-Length: 5\r\n',
      'Content-Length: 0, 0\r\n',
      'Content-Length: +1\r\n',
      'Transfer-Encoding: chunked\r\n',
      'Transfer-Encoding: gzip, chunked\r\n',
      'Transfer-Encoding : chunked\r\n',
      ' folded\r\n',
      'Host: evil\r\n',
      'Connection: close, x\r\n',
      'HTTP/1.0',
      '0\r\n\r\n',
      'FFFFFFFFFFFFFFFFF\r\n',
      'GET / HTTP/1.1\r\n',
      '#',
      '\0',
    ],
    split: splitLines,
    check,
  },
];
