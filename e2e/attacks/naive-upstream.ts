import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

/** An upstream that believes everything: it keeps each byte, and answers once for each empty line. */
export interface NaiveUpstream {
  readonly port: number;
  /** What came since the last call, over all connections. */
  take(): string;
  close(): void;
}

const ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

export async function startNaiveUpstream(): Promise<NaiveUpstream> {
  let seen = '';
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let open = '';
    socket.on('data', (chunk: Buffer) => {
      const text = chunk.toString('latin1');
      seen += text;
      open += text;
      for (let end = open.indexOf('\r\n\r\n'); end >= 0; end = open.indexOf('\r\n\r\n')) {
        open = open.slice(end + 4);
        socket.write(ANSWER);
      }
    });
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    take: () => {
      const text = seen;
      seen = '';
      return text;
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
