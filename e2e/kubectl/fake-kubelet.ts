import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';

function frame(channel: number, payload: Buffer | string): Buffer {
  const body = Buffer.from(payload);
  const head = Buffer.alloc(5);
  head[0] = channel;
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

/** The node agent's socket as the API server sees it: logs, an exec that upper-cases stdin, a connection that echoes. */
export async function startFakeKubelet(socketPath: string): Promise<Server> {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://node');
    if (!url.pathname.startsWith('/containerLogs/')) return response.writeHead(404).end('no such path');
    const [, , namespace, pod, container] = url.pathname.split('/');
    return response.end(`log of ${namespace}/${pod}/${container} tail=${url.searchParams.get('tailLines') ?? 'all'}\n`);
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
    const url = new URL(request.url ?? '/', 'http://node');
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: ${request.headers.upgrade}\r\n\r\n`);
    socket.on('error', () => undefined);
    if (url.pathname.startsWith('/connect/')) {
      socket.pipe(socket);
      return;
    }
    const status = (code: number) =>
      code === 0
        ? { metadata: {}, status: 'Success' }
        : {
            metadata: {},
            status: 'Failure',
            reason: 'NonZeroExitCode',
            message: `command terminated with exit code ${code}`,
            details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
          };
    const command = url.searchParams.getAll('command');
    if (command[0] === 'fail') {
      socket.end(Buffer.concat([frame(2, 'to stderr\n'), frame(3, JSON.stringify(status(3)))]));
      return;
    }
    if (url.searchParams.get('stdin') !== 'true') {
      socket.end(Buffer.concat([frame(1, `${command.join(' ')}\n`), frame(3, JSON.stringify(status(0)))]));
      return;
    }
    let pending = Buffer.alloc(0);
    socket.on('data', (bytes: Buffer) => {
      pending = Buffer.concat([pending, bytes]);
      while (pending.length >= 5 && pending.length >= 5 + pending.readUInt32BE(1)) {
        const length = pending.readUInt32BE(1);
        const payload = pending.subarray(5, 5 + length);
        const channel = pending[0];
        pending = pending.subarray(5 + length);
        if (channel !== 0) continue;
        if (length === 0) socket.end(frame(3, JSON.stringify(status(0))));
        else socket.write(frame(1, payload.toString('utf8').toUpperCase()));
      }
    });
  });
  server.listen(socketPath);
  await once(server, 'listening');
  return server;
}
