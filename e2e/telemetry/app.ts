/**
 * The application of both ends: HTTP with metrics of its own on 8080, gRPC on 9000, echo on 9001, and on 8081 a port at which the
 * test says whom to call.
 */
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { connect as connectHttp2, createServer as createHttp2, type ServerHttp2Stream } from 'node:http2';
import { connect, createServer as createTcp } from 'node:net';

let served = 0;
let slowMs = 0;
/** Of HTTP calls, each on a connection of its own. */
const wire = { written: 0, read: 0 };
const message = Buffer.from([0, 0, 0, 0, 2, 8, 1]);

createServer(async (incoming, response) => {
  const { pathname } = new URL(incoming.url ?? '/', 'http://app');
  if (pathname === '/metrics') {
    if (slowMs > 0) await new Promise((done) => setTimeout(done, slowMs));
    const open = incoming.headers.accept?.includes('application/openmetrics-text') === true;
    const exemplar = open ? ' # {trace_id="abc"} 1' : '';
    response.setHeader('content-type', open ? 'application/openmetrics-text; version=1.0.0; charset=utf-8' : 'text/plain; version=0.0.4');
    response.end(`# TYPE app_served counter\napp_served_total ${served}${exemplar}\n${open ? '# EOF\n' : ''}`);
    return;
  }
  served++;
  incoming.resume();
  response.statusCode = Number(/^\/status\/(\d+)$/.exec(pathname)?.[1] ?? 200);
  response.end('hello\n');
}).listen(8080, '0.0.0.0');

createHttp2()
  .on('stream', (stream: ServerHttp2Stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.resume();
    stream.on('end', () => {
      stream.write(message);
      stream.end(message);
    });
  })
  .listen(9000, '0.0.0.0');

createTcp((socket) => {
  socket.on('error', () => socket.destroy());
  socket.pipe(socket);
}).listen(9001, '0.0.0.0');

async function callHttp(url: string, headers: Readonly<Record<string, string>>): Promise<number> {
  const call = request(url, { headers: { connection: 'close', ...headers }, agent: false }).end();
  const [response] = await once(call, 'response');
  response.resume();
  const { socket } = response;
  await once(response, 'end');
  wire.written += socket.bytesWritten;
  wire.read += socket.bytesRead;
  return response.statusCode;
}

async function callGrpc(host: string): Promise<number | string> {
  const session = connectHttp2(`http://${host}`);
  const stream = session.request({ ':method': 'POST', ':path': '/test.Echo/Say', 'content-type': 'application/grpc', te: 'trailers' });
  let status: unknown = 'no status';
  // A failure is told in the head of an answer that has nothing else.
  for (const event of ['response', 'trailers']) stream.on(event, (headers) => (status = headers['grpc-status'] ?? status));
  stream.end(message);
  stream.resume();
  await once(stream, 'close');
  session.close();
  return typeof status === 'string' && /^\d+$/.test(status) ? Number(status) : String(status);
}

async function callTcp(host: string, bytes: number): Promise<number> {
  const [name = '', port = ''] = host.split(':');
  const socket = connect(Number(port), name);
  await once(socket, 'connect');
  socket.end(Buffer.alloc(bytes, 'x'));
  let received = 0;
  for await (const chunk of socket) received += chunk.length;
  return received;
}

createServer(async (incoming, response) => {
  const url = new URL(incoming.url ?? '/', 'http://app');
  const text = (name: string) => url.searchParams.get(name) ?? '';
  const results: (number | string)[] = [];
  if (url.pathname === '/slow') slowMs = Number(text('ms'));
  else if (url.pathname === '/wire') results.push(wire.written, wire.read);
  else {
    for (let i = 0; i < Number(text('n') || 1); i++) {
      const call =
        url.pathname === '/http'
          ? callHttp(text('to'), Object.fromEntries([...url.searchParams].filter(([name]) => name === 'host' || name === 'traceparent')))
          : url.pathname === '/grpc'
            ? callGrpc(text('to'))
            : callTcp(text('to'), Number(text('bytes')));
      results.push(await call.catch((error: unknown) => String(error)));
    }
  }
  response.end(JSON.stringify(results));
}).listen(8081, '0.0.0.0');
