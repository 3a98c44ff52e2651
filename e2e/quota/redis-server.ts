import { createConnection } from 'node:net';
import { eventually, freePort, type RunningProcess, startProcess } from '../src/daemon-process.ts';

export interface RunningRedis {
  readonly port: number;
  readonly process: RunningProcess;
}

/** A Redis server that keeps nothing on disk. */
export async function startRedis(port?: number): Promise<RunningRedis> {
  const chosen = port ?? (await freePort());
  const process = startProcess('redis-server', ['--port', String(chosen), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']);
  await eventually('redis-server', async () => ((await ask(chosen, 'PING')) === '+PONG' ? true : undefined));
  return { port: chosen, process };
}

/** The first line of Redis' answer to an inline command. */
async function ask(port: number, command: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    const socket = createConnection(port, '127.0.0.1', () => socket.write(`${command}\r\n`));
    socket.once('error', reject);
    socket.once('data', (chunk) => {
      socket.destroy();
      resolve(chunk.toString().split('\r\n')[0] ?? '');
    });
  });
}

export interface Monitor {
  /** Lines that match, so far. */
  lines(matching: RegExp): readonly RegExpMatchArray[];
  close(): void;
}

/** Every command that Redis runs, those of scripts too, with the time at which it ran. */
export async function monitorRedis(port: number): Promise<Monitor> {
  let text = '';
  const socket = createConnection(port, '127.0.0.1');
  socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  socket.write('MONITOR\r\n');
  await eventually('MONITOR', () => (text.startsWith('+OK') ? true : undefined));
  return {
    lines: (matching) =>
      text.split('\r\n').flatMap((line) => {
        const match = line.match(matching);
        return match === null ? [] : [match];
      }),
    close: () => socket.destroy(),
  };
}
