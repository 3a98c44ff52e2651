import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually, freePort, type RunningProcess, startDaemon } from './src/daemon-process.ts';

const root = join(import.meta.dirname, '..');
const source = readFileSync(join(root, 'samples/typescript-filter/filter.ts'), 'utf8');
const proxyYaml = readFileSync(join(root, 'samples/typescript-filter/proxy.yaml'), 'utf8');

let directory: string;
let file: string;
let app: Server;
let keys: Server;
let proxy: RunningProcess;
let address: string;
let admin: string;

const portOf = async (server: Server): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port; // a TCP server has one
};

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'xebec-filter-'));
  file = join(directory, 'filter.ts');
  await writeFile(file, source);
  app = createServer((request, response) => response.end(`hello ${request.headers['x-user']} ${request.headers['x-key']}`));
  keys = createServer((request, response) => {
    if (request.url !== '/keys/k1') response.statusCode = 404;
    response.end('jason');
  });
  const [listener, adminPort] = await Promise.all([freePort(), freePort()]);
  const config = proxyYaml
    .replace('port_value: 10000', `port_value: ${listener}`)
    .replace('port_value: 9901', `port_value: ${adminPort}`)
    .replace('port_value: 8081', `port_value: ${await portOf(app)}`)
    .replace('port_value: 8082', `port_value: ${await portOf(keys)}`)
    .replace('samples/typescript-filter/filter.ts', file);
  await writeFile(join(directory, 'proxy.yaml'), config);
  proxy = startDaemon('proxy', ['-c', join(directory, 'proxy.yaml'), '--concurrency', '1']);
  address = `http://127.0.0.1:${listener}`;
  admin = `http://127.0.0.1:${adminPort}`;
  await eventually('the proxy to be ready', async () =>
    (await (await fetch(`${admin}/ready`)).text()).startsWith('LIVE') ? true : undefined,
  );
});

afterAll(async () => {
  await proxy?.stop();
  app?.close();
  keys?.close();
  await rm(directory, { recursive: true, force: true });
});

const get = async (path: string, headers: Record<string, string> = {}) => {
  const response = await fetch(`${address}${path}`, { headers });
  return { status: response.status, served: response.headers.get('x-served-for'), body: await response.text() };
};

it('runs the sample: asks a cluster, answers by itself, changes both heads, is off where a route says so', async () => {
  expect(await get('/')).toEqual({ status: 401, served: null, body: 'say who you are in x-key\n' });
  expect(await get('/', { 'x-key': 'nobody' })).toEqual({ status: 403, served: null, body: 'this key opens nothing\n' });
  expect(await get('/', { 'x-key': 'k1' })).toEqual({ status: 200, served: 'jason', body: 'hello jason undefined' });
  expect(await get('/open', { 'x-key': 'k1' })).toEqual({ status: 200, served: null, body: 'hello undefined k1' });
  const stats = await (await fetch(`${admin}/stats?filter=typescript`)).text();
  expect(stats).toContain('http.main.typescript.filter.custom.refused: 1');
  expect(stats).toContain('http.main.typescript.filter.replies: 2');
});

it('follows a change, keeps the last good version, and outlives an endless loop', async () => {
  await writeFile(file, source.replace('say who you are', 'tell me who you are'));
  await eventually('the new version', async () => ((await get('/')).body.startsWith('tell me') ? true : undefined), 10_000);
  await writeFile(file, `${source}\nconst = 5;`);
  await eventually('the error', () => (proxy.output().includes(`${file}:`) ? true : undefined), 10_000);
  expect((await get('/')).body).toBe('tell me who you are in x-key\n');
  await writeFile(file, source.replace('const key =', 'if (stream.request.path === "/loop") for (;;);\n    const key ='));
  await eventually('the third version', async () => ((await get('/')).body.startsWith('say') ? true : undefined), 10_000);
  expect((await get('/loop')).status).toBe(500);
  expect((await get('/open')).status).toBe(200);
  await eventually('the filter to be back', async () => ((await get('/', { 'x-key': 'k1' })).status === 200 ? true : undefined), 15_000);
  expect(proxy.child.exitCode).toBeNull();
}, 60_000);

it('the guide shows the sample', () => {
  const guide = readFileSync(join(root, 'docs/guides/typescript-filter.md'), 'utf8');
  expect(guide).toContain(source);
});
