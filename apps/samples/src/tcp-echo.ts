import { createServer, type Server } from 'node:net';

/** Answers every line with `<prefix> <line>`. A line may have 64 KiB. */
export function createTcpEcho(prefix: string): Server {
  return createServer({ noDelay: true }, (socket) => {
    let rest = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) socket.write(`${prefix} ${line}\n`);
      if (rest.length > 64 * 1024) socket.destroy();
    });
    socket.on('end', () => {
      if (rest !== '') socket.write(`${prefix} ${rest}\n`);
      socket.end();
    });
    socket.on('error', () => socket.destroy());
  });
}
