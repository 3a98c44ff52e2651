import type { Socket } from 'node:net';
import { bodyText } from './body-text.ts';
import type { TcpExchange } from './family.ts';

export interface TcpOutcome {
  readonly received: string;
  readonly connection: 'open' | 'closed' | 'reset';
}

/** Sends, half-closes unless told not to, and reads until the end or for `timeoutMs` (400). */
export async function exchangeTcp(socket: Socket, what: TcpExchange): Promise<TcpOutcome> {
  let received = '';
  let connection: TcpOutcome['connection'] = 'open';
  socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')));
  const ended = new Promise<void>((resolve) => {
    const closed = (how: 'closed' | 'reset') => () => {
      if (connection === 'open') connection = how;
      resolve();
    };
    socket.on('end', closed('closed'));
    socket.on('close', closed('reset'));
    setTimeout(resolve, what.timeoutMs ?? 400).unref();
  });
  if (what.open === true) socket.write(what.send ?? '');
  else socket.end(what.send ?? '');
  await ended;
  const state = connection;
  socket.destroy();
  return { received: bodyText(received), connection: state };
}
