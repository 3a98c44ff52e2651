import { createServer, request } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { ForwardProxy } from './forward-proxy.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

async function portOf(server: ReturnType<typeof createTcpServer> | ReturnType<typeof createServer>): Promise<number> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  closers.push(() => server.close());
  return (server.address() as AddressInfo).port; // an address object: it listens on TCP
}

async function startProxy(asked: string[]): Promise<number> {
  const free = createTcpServer();
  const port = await portOf(free);
  await new Promise((done) => free.close(done));
  const proxy = new ForwardProxy((name, namespace) => {
    asked.push(`${name} in ${namespace}`);
    return name === 'httpbin' ? '127.0.0.1' : undefined;
  });
  await proxy.listen(port, '127.0.0.1');
  closers.push(() => proxy.close());
  return port;
}

function get(port: number, path: string, headers: Record<string, string>): Promise<string> {
  return new Promise((resolve) => {
    const call = request({ host: '127.0.0.1', port, path, headers, agent: false }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => {
        body += chunk.toString('utf8');
      });
      response.on('end', () => resolve(`${response.statusCode} ${body}`));
    });
    call.on('error', (error) => resolve(error.message));
    call.end();
  });
}

describe('ForwardProxy', () => {
  it('finds short names in the namespace of the user, which it does not pass on', async () => {
    const asked: string[] = [];
    const upstream = await portOf(
      createServer((incoming, response) => response.end(`${incoming.url} ${incoming.headers['proxy-authorization'] ?? 'no user'}`)),
    );
    const credentials = { 'proxy-authorization': `Basic ${Buffer.from('legacy:').toString('base64')}`, host: `httpbin:${upstream}` };
    expect(await get(await startProxy(asked), `http://httpbin:${upstream}/ip?a=1`, credentials)).toBe('200 /ip?a=1 no user');
    expect(asked).toEqual(['httpbin in legacy']);
  });

  it('breaks the connection where the far end does', async () => {
    const upstream = await portOf(createTcpServer((socket) => socket.destroy()));
    expect(await get(await startProxy([]), `http://httpbin:${upstream}/`, {})).toBe('socket hang up');
  });

  it('is no web server', async () => expect(await get(await startProxy([]), '/', {})).toMatch(/^400 /));
});
