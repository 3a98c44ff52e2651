import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { createService, get } from '@xebec/microservice';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { routes } from './httpbin.ts';
import { createTcpEcho } from './tcp-echo.ts';
import { createWebsocketService } from './websockets.ts';

const port = (server: { address(): unknown }) => (server.address() as AddressInfo).port;

describe('httpbin', () => {
  const server = createService(routes);
  let base = '';
  beforeAll(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    base = `http://127.0.0.1:${port(server)}`;
  });
  afterAll(() => void server.close());

  it('shows what arrived', async () => {
    const answer = JSON.parse((await get(`${base}/get?a=1&a=2`, { 'x-custom': 'yes' }, 5000)).body);
    expect(answer).toMatchObject({ args: { a: ['1', '2'] }, headers: { 'X-Custom': ['yes'] }, method: 'GET', url: `${base}/get?a=1&a=2` });
  });
  it.each([200, 404, 418, 503])('answers /status/%i', async (code) =>
    expect((await get(`${base}/status/${code}`, {}, 5000)).status).toBe(code),
  );
  it('refuses a status that is none', async () => expect((await get(`${base}/status/99`, {}, 5000)).status).toBe(400));
});

it('tcp-echo answers each line with its prefix, split as it may arrive', async () => {
  const server = createTcpEcho('one').listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect(port(server), '127.0.0.1');
  socket.write('hel');
  socket.end('lo\nworld');
  let seen = '';
  for await (const chunk of socket) seen += String(chunk);
  expect(seen).toBe('one hello\none world\n');
  server.close();
});

it('websockets echo', async () => {
  const server = createWebsocketService().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = new WebSocket(`ws://127.0.0.1:${port(server)}/ws`);
  await once(socket, 'open');
  socket.send('ping');
  const [data] = await once(socket, 'message');
  expect(String(data)).toBe('ping');
  socket.close();
  await once(socket, 'close');
  server.close();
});
