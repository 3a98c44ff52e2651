import { connect } from 'node:net';
import { silentLogger } from '@xebec/core';
import { expect, it } from 'vitest';
import { holdSockets } from './held-sockets.ts';
import { LocalSockets } from './listener-sockets.ts';
import { openSocket } from './listening-socket.ts';

const request = (port: number) => ({
  address: { kind: 'tcp' as const, address: '127.0.0.1', port },
  reusePort: true,
  transparent: false,
  freebind: false,
  ipv4Compat: false,
  options: [],
});

/** A port that was free a moment ago. */
function somePort(): number {
  const bound = openSocket(request(0), 'probe');
  const { address } = bound;
  bound.close();
  return address?.kind === 'tcp' ? address.port : 0;
}

it('a client that comes before the listener is served by it', async () => {
  const port = somePort();
  const held = holdSockets([request(port).address], false, silentLogger);
  const client = connect(port, '127.0.0.1');
  const answer = new Promise<string>((resolve, reject) => {
    client.once('data', (bytes: Buffer) => resolve(bytes.toString()));
    client.once('error', reject);
  });
  await new Promise((resolve) => client.once('connect', resolve));
  client.write('early');
  const listening = new LocalSockets(held.open).listen(
    { key: 'l', where: 'listener "l"', socket: request(port), backlog: undefined },
    {
      accept: (socket) => {
        socket.on('data', (bytes: Buffer) => socket.end(`served ${bytes.toString()}`));
        socket.resume();
      },
      done: (error) => expect(error).toBeUndefined(),
    },
  );
  expect(await answer).toBe('served early');
  held.release();
  listening.close();
});

it('a client for whom no listener comes is let go', async () => {
  const port = somePort();
  const held = holdSockets([request(port).address], false, silentLogger);
  const client = connect(port, '127.0.0.1');
  const closed = new Promise<string>((resolve) => {
    client.once('error', (error) => resolve(error.message));
    client.once('close', () => resolve('closed'));
  });
  await new Promise((resolve) => client.once('connect', resolve));
  held.release();
  client.resume();
  expect(await closed).toMatch(/ECONNRESET|closed/);
});
