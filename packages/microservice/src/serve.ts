import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

export interface Request {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  /** Path parameters: `{ id: '0' }` for `/details/:id`. */
  readonly params: Readonly<Record<string, string>>;
  /** The whole body as text; at most 1 MiB. */
  readonly body: string;
  readonly raw: IncomingMessage;
}

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

export interface Route {
  /** Method, or `*` for any. */
  readonly method: string;
  /** Segments; `:name` takes one segment, a last `*` takes the rest. */
  readonly path: string;
  handle(request: Request): Reply | Promise<Reply>;
}

const MAX_BODY_BYTES = 1 << 20;

export function json(value: unknown, status = 200, headers: Reply['headers'] = {}): Reply {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(value) };
}

export function text(body: string, status = 200): Reply {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body };
}

/** The parameters of `path` under `pattern`, or undefined when it does not match. */
export function matchPath(pattern: string, path: string): Record<string, string> | undefined {
  const wanted = pattern.split('/');
  const given = path.split('/');
  const params: Record<string, string> = {};
  for (const [index, segment] of wanted.entries()) {
    if (segment === '*') return { ...params, rest: given.slice(index).join('/') };
    const value = given[index];
    if (value === undefined) return undefined;
    if (segment.startsWith(':')) params[segment.slice(1)] = decodeSegment(value);
    else if (segment !== value) return undefined;
  }
  return wanted.length === given.length ? params : undefined;
}

function decodeSegment(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

async function readBody(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new RangeError(`request body is larger than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function answer(routes: readonly Route[], message: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(message.url ?? '/', 'http://localhost');
  const method = message.method ?? 'GET';
  for (const route of routes) {
    if (route.method !== '*' && route.method !== method && !(route.method === 'GET' && method === 'HEAD')) continue;
    const params = matchPath(route.path, url.pathname);
    if (params === undefined) continue;
    const body = await readBody(message);
    const reply = await route.handle({
      method,
      path: url.pathname,
      query: url.searchParams,
      headers: message.headers,
      params,
      body,
      raw: message,
    });
    const length = Buffer.byteLength(reply.body);
    response.writeHead(reply.status, { 'content-length': length, ...reply.headers });
    response.end(reply.body);
    return;
  }
  response.writeHead(404, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ error: `no such page: ${method} ${url.pathname}` }));
}

export function createService(routes: readonly Route[]): Server {
  const server = createServer({ keepAliveTimeout: 0 }, (message, response) => {
    answer(routes, message, response).catch((error: unknown) => {
      const status = error instanceof RangeError ? 413 : 500;
      if (!response.headersSent) response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: error instanceof Error ? error.message : String(error) }));
    });
  });
  return server;
}

/** Listens, logs one line, and on SIGTERM finishes what is in flight. Called from a bin: it owns the process. */
export function runService(name: string, server: Server, port: number): void {
  process.title = name;
  const host = process.env['XEBEC_BIND_ADDRESS'] ?? '0.0.0.0';
  server.on('error', (error) => {
    console.error(`${name}: cannot listen on ${host}:${port}: ${error.message}`);
    process.exit(1);
  });
  server.listen(port, host, () => console.log(`${name}: listening on ${host}:${port}`));
  const stop = () => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}
