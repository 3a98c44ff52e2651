import {
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import { setTimeout as wait } from 'node:timers/promises';
import { bodyText } from './body-text.ts';
import type { Field, Reply } from './family.ts';
import type { UpstreamScript } from './upstreams.ts';

/** An HTTP/2 server with prior knowledge, or with TLS, that replies by the script. */
export function createHttp2Upstream(script: UpstreamScript, tls?: { readonly cert: Buffer; readonly key: Buffer }): Http2Server {
  const settings = { enableConnectProtocol: true };
  const server = tls === undefined ? createServer({ settings }) : createSecureServer({ settings, ...tls });
  server.on('sessionError', () => undefined);
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, rawHeaders: readonly string[]) => {
    const fields = pairs(rawHeaders);
    const method = String(headers[':method']);
    const path = headers[':path'] === undefined ? String(headers[':authority']) : String(headers[':path']);
    const line = `${method} ${path} HTTP/2`;
    const reply = script.next(line);
    let body = '';
    let trailers: readonly Field[] = [];
    const saw = (cut?: string): void =>
      script.saw({ upstream: script.name, line, headers: fields, body: bodyText(body), trailers, ...(cut === undefined ? {} : { cut }) });
    stream.on('error', () => undefined);
    stream.on('trailers', (_headers: IncomingHttpHeaders, _flags: number, raw: readonly string[]) => (trailers = pairs(raw)));
    if (reply.tunnel === true) {
      saw();
      stream.respond({ ':status': reply.status ?? 200, ...grouped(reply.headers) });
      stream.on('data', (chunk: Buffer) => stream.write(chunk.toString('latin1').toUpperCase()));
      stream.on('end', () => stream.end());
      return;
    }
    stream.on('data', (chunk: Buffer) => (body += chunk.toString('latin1')));
    let ended = false;
    stream.on('end', () => {
      if (stream.aborted) return;
      ended = true;
      saw();
      void answer(stream, method, reply);
    });
    stream.on('close', () => {
      if (!ended) saw(`reset ${stream.rstCode}`);
    });
  });
  return server as Http2Server;
}

function pairs(raw: readonly string[]): Field[] {
  const fields: Field[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) fields.push([raw[i] ?? '', raw[i + 1] ?? '']);
  return fields;
}

function grouped(fields: readonly Field[] = []): OutgoingHttpHeaders {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of fields) {
    // HTTP/2 knows no headers of connections.
    if (name === 'connection' || name === 'proxy-connection') continue;
    const before = headers[name];
    headers[name] = before === undefined ? value : Array.isArray(before) ? [...before, value] : [before, value];
  }
  return headers;
}

async function answer(stream: ServerHttp2Stream, method: string, reply: Reply): Promise<void> {
  if (reply.delayMs !== undefined) await wait(reply.delayMs);
  if (stream.destroyed) return;
  if (reply.instead === 'close') return void stream.session?.destroy();
  if (reply.instead === 'reset') return stream.close(reply.errorCode ?? 8);
  if (reply.instead === 'goaway') return void stream.session?.goaway(reply.errorCode ?? 0, 0);
  if (reply.instead === 'hang') return;
  for (const before of reply.informational ?? []) stream.additionalHeaders({ ':status': before.status, ...grouped(before.headers) });
  const body = Buffer.from(reply.body ?? '');
  const headers = { ':status': reply.status ?? 200, ...grouped(reply.headers) };
  const noBody = method === 'HEAD' || (body.length === 0 && reply.trailers === undefined);
  stream.respond(headers, { endStream: noBody && reply.cut === undefined, waitForTrailers: reply.trailers !== undefined });
  stream.on('wantTrailers', () => stream.sendTrailers(grouped(reply.trailers)));
  if (noBody && reply.cut === undefined) return;
  const size = Math.ceil(body.length / (reply.bodyParts ?? 1));
  for (let at = 0; at < body.length; at += size) {
    if (reply.bodyDelayMs !== undefined) await wait(reply.bodyDelayMs);
    stream.write(body.subarray(at, at + size));
  }
  if (reply.cut === 'reset') {
    await wait(10);
    stream.close(reply.errorCode ?? 8);
  } else if (reply.cut === 'close') {
    await wait(10);
    stream.session?.destroy();
  } else if (reply.cut === undefined) stream.end();
}
