import { type OutgoingHttpHeaders, request } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';

/** One thing that a client does. */
export interface Exchange {
  readonly name: string;
  readonly kind?: 'http1' | 'h2c' | 'websocket' | 'tcp' | 'tcp-dead' | 'raw';
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Parts are written one by one: more than one, or no `content-length`, means chunked. */
  readonly body?: readonly (string | Buffer)[];
  readonly chunked?: boolean;
  readonly trailers?: Readonly<Record<string, string>>;
  /** Bytes of a request that no client library would send. */
  readonly raw?: string;
  /** Sent so often, one after another. 1. */
  readonly times?: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly bodyBytes: number;
  /** The first of it. */
  readonly body: string;
  readonly trailers: Readonly<Record<string, string>>;
}

export interface Ports {
  readonly http: number;
  readonly tcp: number;
  readonly 'tcp-dead': number;
}

export async function exchange(ports: Ports, what: Exchange): Promise<Answer> {
  switch (what.kind) {
    case 'h2c':
      return await overHttp2(ports.http, what);
    case 'websocket':
      return await overWebsocket(ports.http, what);
    case 'tcp':
    case 'tcp-dead':
      return await overTcp(ports[what.kind], 'some bytes and a half-close');
    case 'raw':
      return await overTcp(ports.http, what.raw ?? '');
    default:
      return await overHttp1(ports.http, what);
  }
}

const authority = 'app.example';

function answerOf(status: number, headers: object, chunks: readonly Buffer[], trailers: object): Answer {
  const body = Buffer.concat(chunks);
  return { status, headers: plain(headers), bodyBytes: body.length, body: body.subarray(0, 300).toString(), trailers: plain(trailers) };
}

/** Times and generated values differ between any two runs. */
function plain(headers: object): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (name.startsWith(':') || name === 'x-envoy-upstream-service-time') continue;
    result[name] = name === 'date' ? 'DATE' : String(value).replace(/sticky="[^"]+"/, 'sticky="VALUE"');
  }
  return result;
}

function overHttp1(port: number, what: Exchange): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const body = what.body ?? [];
    const bytes = body.reduce((sum, part) => sum + part.length, 0);
    const headers: OutgoingHttpHeaders = { host: authority, 'x-case': what.name, ...what.headers };
    if (bytes > 0 && what.chunked !== true) headers['content-length'] = bytes;
    const { method = 'GET', path = '/echo' } = what;
    const call = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => resolve(answerOf(response.statusCode ?? 0, response.headers, chunks, response.trailers)));
    });
    call.on('error', reject);
    for (const part of body) call.write(part);
    if (what.trailers !== undefined) call.addTrailers(what.trailers);
    call.end();
  });
}

function overHttp2(port: number, what: Exchange): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    session.on('error', reject);
    const { method = 'GET', path = '/echo', body = [], trailers } = what;
    const stream = session.request(
      { ':method': method, ':path': path, ':authority': authority, 'x-case': what.name, ...what.headers },
      { endStream: body.length === 0 && trailers === undefined, waitForTrailers: trailers !== undefined },
    );
    stream.on('wantTrailers', () => stream.sendTrailers({ ...trailers }));
    const chunks: Buffer[] = [];
    let status = 0;
    let headers: object = {};
    let end: object = {};
    stream.on('response', (head) => {
      status = head[':status'] ?? 0;
      headers = head;
    });
    stream.on('trailers', (fields) => {
      end = fields;
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('close', () => {
      session.close();
      resolve(answerOf(status, headers, chunks, end));
    });
    for (const part of body) stream.write(part);
    if (body.length > 0 || trailers !== undefined) stream.end();
  });
}

function overWebsocket(port: number, what: Exchange): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { host: authority, 'x-case': what.name, connection: 'Upgrade', upgrade: 'websocket' };
    const call = request({ host: '127.0.0.1', port, path: what.path ?? '/echo/ws', headers, agent: false });
    call.on('error', reject);
    call.on('response', (response) => {
      response.resume();
      resolve(answerOf(response.statusCode ?? 0, response.headers, [], {}));
    });
    call.on('upgrade', (response, socket) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      socket.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        bytes += chunk.length;
        if (bytes >= 'through both'.length) socket.end();
      });
      socket.on('error', reject);
      socket.on('close', () => resolve(answerOf(response.statusCode ?? 0, response.headers, chunks, {})));
      socket.write('through ');
      socket.write('both');
    });
    call.end();
  });
}

/** The answer's body is all that came until the end. */
function overTcp(port: number, text: string): Promise<Answer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', () => undefined);
    // A proxy that keeps the connection open has answered all the same.
    socket.setTimeout(400, () => socket.destroy());
    socket.on('end', () => socket.end());
    socket.on('close', () => {
      const body = Buffer.concat(chunks)
        .toString()
        .replace(/date: [^\r]+/, 'date: DATE');
      resolve(answerOf(0, {}, [Buffer.from(body)], {}));
    });
    if (text.includes('half-close')) socket.end(text);
    else socket.write(text);
  });
}
