import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, freePort, requiredPeer, startDaemon, startProcess } from '../src/daemon-process.ts';
import { bootstrap } from './bootstrap.ts';
import { policy } from './policy.ts';

describe.each(['stock Envoy', 'our proxy'])('%s asks Mixer', (proxy) => {
  const cleanups: (() => unknown)[] = [];
  let url = '';
  let mixer: ReturnType<typeof startDaemon>;

  beforeAll(async () => {
    const backend = createServer((request, response) => response.end(JSON.stringify(request.headers)));
    await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => {
      backend.closeAllConnections();
      backend.close();
    });
    const directory = await mkdtemp(join(tmpdir(), 'xebec-mixer-envoy-'));
    cleanups.push(() => rm(directory, { recursive: true, force: true }));
    await writeFile(join(directory, 'policy.yaml'), policy());
    const [grpcPort, httpPort, prometheusPort, listener] = [await freePort(), await freePort(), await freePort(), await freePort()];
    mixer = startDaemon('mixer', [
      ...['--config-dir', directory, '--grpc-addr', `127.0.0.1:${grpcPort}`],
      ...['--http-addr', `127.0.0.1:${httpPort}`, '--prometheus-addr', `127.0.0.1:${prometheusPort}`],
    ]);
    cleanups.push(() => mixer.stop());
    await eventually('Mixer is ready', async () => ((await fetch(`http://127.0.0.1:${httpPort}/ready`)).ok ? true : undefined), 60_000);
    const port = (backend.address() as AddressInfo).port; // a TCP server that listens has an address
    const text = bootstrap({ listener, backend: port, mixer: grpcPort });
    const running =
      proxy === 'stock Envoy'
        ? startProcess(requiredPeer('ENVOY'), ['--config-yaml', text, '--use-dynamic-base-id', '-l', 'warning'])
        : startDaemon('proxy', ['--config-yaml', text]);
    cleanups.push(() => running.stop());
    url = `http://127.0.0.1:${listener}`;
    await eventually('the proxy serves', async () => ((await fetch(`${url}/`)).status === 200 ? true : undefined), 60_000);
  });
  afterAll(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  const ask = async (path: string, headers: Record<string, string> = {}) => {
    const response = await fetch(`${url}${path}`, { headers });
    return { status: response.status, headers: response.headers, text: await response.text() };
  };
  const statuses = async (count: number, path: string, headers: Record<string, string> = {}) => {
    const all: number[] = [];
    for (let i = 0; i < count; i++) all.push((await ask(path, headers)).status);
    return all;
  };

  it('limits each user by the domain of the rate limit service', async () => {
    expect(await statuses(3, '/limited', { 'x-user': 'ann' })).toEqual([200, 200, 429]);
    expect(await statuses(3, '/limited', { 'x-user': 'bob' })).toEqual([200, 200, 429]);
    expect(await statuses(6, '/limited', { 'x-user': 'vip' })).toEqual([200, 200, 200, 200, 200, 429]);
    expect(await statuses(3, '/limited')).toEqual([200, 200, 200]);
  });
  it('says in headers what is left', async () => {
    const { headers } = await ask('/limited', { 'x-user': 'eve' });
    expect(headers.get('x-ratelimit-limit')).toBe('2, 2;w=3600');
    expect(headers.get('x-ratelimit-remaining')).toBe('1');
    expect(Number(headers.get('x-ratelimit-reset'))).toBeGreaterThan(0);
    expect(headers.get('ratelimit-limit')).toBe('2');
    expect(headers.get('ratelimit-remaining')).toBe('1');
  });
  it('does not enforce what is in shadow mode', async () => {
    expect(await statuses(2, '/limited', { 'x-plan': 'trial' })).toEqual([200, 200]);
  });
  it('has the rules of Mixer as its external authorizer', async () => {
    const denied = await ask('/keyed?api_key=bad');
    expect([denied.status, denied.text]).toEqual([403, 'PERMISSION_DENIED:keys.istio-system:bad is not whitelisted']);
    const passed = await ask('/keyed?api_key=good');
    expect([passed.status, JSON.parse(passed.text)]).toMatchObject([200, { 'x-checked': 'GET' }]);
    expect((await ask('/keyed', { 'x-api-key': 'good' })).status).toBe(200);
    expect(await ask('/admin')).toMatchObject({ status: 403, text: 'PERMISSION_DENIED:closed.istio-system:closed' });
  });
  it('takes quota where the route asks for it', async () => {
    expect(await statuses(4, '/quota', { 'x-user': 'ann' })).toEqual([200, 200, 200, 429]);
    expect(await statuses(1, '/quota', { 'x-user': 'bob' })).toEqual([200]);
    expect(await statuses(4, '/', { 'x-user': 'ann' })).toEqual([200, 200, 200, 200]);
  });
  it('decides by itself when Mixer is away', async () => {
    await mixer.stop();
    expect((await ask('/limited', { 'x-user': 'zoe' })).status).toBe(500);
    expect((await ask('/')).status).toBe(403);
  });
});
