import { createServer as createHttp1, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttp2, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import { type AddressInfo, createServer as createTcp, type Server } from 'node:net';

/** What an upstream saw of one request, without what differs between any two runs. */
export interface SeenRequest {
  readonly version: string;
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly bodyBytes: number;
  readonly bodySum: number;
  readonly trailers: Readonly<Record<string, unknown>>;
}

export interface Upstreams {
  /** HTTP/1 servers that are alike; each names itself in `x-server`. */
  readonly ports: readonly number[];
  readonly h2cPort: number;
  readonly tcpPort: number;
  /** Hands out what was seen since the last call, in the order of arrival. */
  takeSeen(): readonly SeenRequest[];
  close(): void;
}

/** Starts all upstreams on free ports of 127.0.0.1. What they answer is in the path, see `answer`. */
export async function startUpstreams(): Promise<Upstreams> {
  let seen: SeenRequest[] = [];
  let failures = 0;
  const servers: Server[] = [];
  const listen = async (server: Server): Promise<number> => {
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  };
  const handle = (name: string) => (request: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse) => {
    let bodyBytes = 0;
    let bodySum = 0;
    request.on('data', (chunk: Buffer) => {
      bodyBytes += chunk.length;
      for (const byte of chunk) bodySum = (bodySum * 31 + byte) >>> 0;
    });
    request.on('end', () => {
      const { httpVersion, method = '', url = '' } = request;
      const headers = comparable(request.headers);
      seen.push({ version: httpVersion, method, url, headers, bodyBytes, bodySum, trailers: { ...request.trailers } });
      if (url.startsWith('/retry') && failures++ % 3 < 2) response.statusCode = 503;
      answer(name, url, response);
    });
  };
  const ports: number[] = [];
  for (let i = 0; i < 4; i++) {
    const server = createHttp1(handle(`h1-${i}`));
    server.on('upgrade', (request, socket) => {
      seen.push({
        version: request.httpVersion,
        method: request.method ?? '',
        url: request.url ?? '',
        headers: comparable(request.headers),
        bodyBytes: 0,
        bodySum: 0,
        trailers: {},
      });
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
      socket.on('data', (chunk: Buffer) => socket.write(chunk.toString().toUpperCase()));
      socket.on('end', () => socket.end());
      socket.on('error', () => undefined);
    });
    ports.push(await listen(server));
  }
  const sockets = new Set<{ destroy(): void }>();
  const h2c = createHttp2(handle('h2c'));
  const h2cPort = await listen(h2c);
  const tcpPort = await listen(
    createTcp({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => undefined);
      socket.pipe(socket);
    }),
  );
  for (const server of servers)
    server.on('connection', (socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    });
  return {
    ports,
    h2cPort,
    tcpPort,
    takeSeen() {
      const taken = seen;
      seen = [];
      failures = 0;
      return taken;
    },
    close() {
      for (const server of servers) server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function answer(name: string, url: string, response: ServerResponse | Http2ServerResponse): void {
  const plain = {
    setHeader: (field: string, value: string) => response.setHeader(field, value),
    write: (body: string) => ('stream' in response ? response.write(body) : response.write(body)),
    end: (body: string | Buffer = '') => ('stream' in response ? response.end(body) : response.end(body)),
  };
  plain.setHeader('x-server', name);
  plain.setHeader('date', 'Thu, 01 Jan 1970 00:00:00 GMT');
  const status = /status=(\d+)/.exec(url)?.[1];
  if (status !== undefined) response.statusCode = Number(status);
  if (url.includes('slow')) {
    setTimeout(() => plain.end('slow'), 600);
    return;
  }
  if (url.includes('reset')) {
    response.socket?.destroy();
    return;
  }
  if (url.includes('large')) {
    plain.end(Buffer.alloc(3_000_000, 'abcdefgh'));
    return;
  }
  if (url.includes('chunks')) {
    for (let i = 0; i < 5; i++) plain.write(`chunk ${i};`);
    plain.end();
    return;
  }
  if (url.includes('trailers')) {
    plain.setHeader('trailer', 'x-end');
    plain.write('body');
    response.addTrailers({ 'x-end': 'done' });
    plain.end();
    return;
  }
  const body = url.includes('empty') || status === '204' || status === '304' ? '' : `answer of ${url}`;
  if (body !== '') plain.setHeader('content-length', String(body.length));
  plain.setHeader('content-type', 'text/plain');
  plain.end(body);
}

/** Ports, identifiers and times differ between any two runs. */
function comparable(headers: object): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(headers).sort(([a], [b]) => (a < b ? -1 : 1))) {
    // Envoy counts retries' time off; a tenth of a second does not matter.
    if (name === 'x-envoy-expected-rq-timeout-ms') result[name] = String(Math.ceil(Number(value) / 100) * 100);
    else result[name] = name === 'x-request-id' ? 'ID' : String(value).replaceAll(/127\.0\.0\.1:\d+/g, '127.0.0.1:PORT');
  }
  return result;
}
