import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom, silentLogger, systemClock } from '@xebec/core';
import { afterEach, expect, it } from 'vitest';
import { parseBootstrap } from '../config/bootstrap.ts';
import { type Dataplane, startDataplane } from '../dataplane.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error('not within 10 s');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

let backendFails = false;
let slowMayEnd = Promise.withResolvers<void>();

/** `/slow` is answered when `slowMayEnd` is kept, `/health` fails when it shall. */
async function backend(): Promise<number> {
  const server = createHttpServer((incoming, response) => {
    incoming.resume();
    if (incoming.url === '/health' && backendFails) response.statusCode = 500;
    if (incoming.url === '/slow') void slowMayEnd.promise.then(() => response.end('slow'));
    else response.end('from the backend');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function start(listener = '', concurrency = 2, maxRequests = 1024, cluster = ''): Promise<{ dataplane: Dataplane; port: number }> {
  const upstream = await backend();
  const text = `
static_resources:
  listeners:
  - name: main
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    ${listener}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: test
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          route_config: {name: r, virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: backend}}]}]}
  clusters:
  - name: backend
    circuit_breakers: {thresholds: [{max_requests: ${maxRequests}}]}
    ${cluster}
    load_assignment:
      cluster_name: backend
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: ${upstream}}}}}]}]`;
  const dataplane = await startDataplane({
    bootstrap: parseBootstrap(text, 'test.yaml'),
    clock: systemClock,
    random: seededRandom(1),
    logger: silentLogger,
    version: 'test',
    concurrency,
  });
  closers.push(() => dataplane.close());
  await dataplane.ready;
  const bound = dataplane.state.listeners.boundAddress('main');
  if (bound?.kind !== 'tcp') throw new Error('not bound');
  return { dataplane, port: bound.port };
}

/** A request on a connection of its own, which stays open. */
async function ask(port: number): Promise<{ socket: Socket; text: string }> {
  const socket = connect(port, '127.0.0.1');
  closers.push(() => void socket.destroy());
  return new Promise((resolve, reject) => {
    let text = '';
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString();
      if (text.includes('from the backend')) resolve({ socket, text });
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`closed after "${text}"`)));
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  });
}

async function status(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  const text = await new Promise<string>((resolve) => socket.once('data', (bytes: Buffer) => resolve(bytes.toString())));
  socket.destroy();
  return text.slice(9, 12);
}

function numbers(dataplane: Dataplane): Map<string, number> {
  return new Map(
    dataplane.state.stats
      .collect()
      .map((sample) => [sample.name, sample.kind === 'histogram' ? sample.data.count : sample.kind === 'text' ? Number.NaN : sample.value]),
  );
}

it('divides connections between workers and shows one set of numbers', async () => {
  const { dataplane, port } = await start();
  for (let i = 0; i < 30; i++) await ask(port);
  await until(() => numbers(dataplane).get('http.test.downstream_rq_2xx') === 30);
  const seen = numbers(dataplane);
  const perWorker = [0, 1].map((worker) => seen.get(`listener.127.0.0.1_0.worker_${worker}.downstream_cx_total`) ?? 0);
  expect(Math.min(...perWorker)).toBeGreaterThan(0);
  expect(perWorker[0] ?? 0).toBe(30 - (perWorker[1] ?? 0));
  expect(seen.get('listener.127.0.0.1_0.downstream_cx_active')).toBe(30);
  expect(seen.get('cluster.backend.upstream_rq_total')).toBe(30);
  expect(seen.get('cluster.backend.membership_total')).toBe(1);
  expect(seen.get('cluster.backend.membership_change')).toBe(1);
  expect(seen.get('listener_manager.listener_added')).toBe(1);
  expect(seen.get('listener_manager.listener_create_success')).toBe(2);
  expect(dataplane.state.activeConnections).toBe(30);
  await dataplane.state.refreshHosts();
  expect([...(dataplane.state.clusters.get('backend')?.hosts ?? [])].map((host) => host.totalRequests)).toEqual([30]);
});

it('starts a dead worker again: new connections wait for it, others go on, counts stay', async () => {
  const { dataplane, port } = await start();
  const before = [];
  for (let i = 0; i < 20; i++) before.push(await ask(port));
  await until(() => numbers(dataplane).get('http.test.downstream_rq_2xx') === 20);
  const held = numbers(dataplane).get('listener.127.0.0.1_0.worker_1.downstream_cx_active') ?? 0;
  await dataplane.terminateWorker(1);
  // Some of them land in the dead worker's queue.
  const after = await Promise.all(Array.from({ length: 20 }, () => ask(port)));
  expect(after).toHaveLength(20);
  await until(() => numbers(dataplane).get('http.test.downstream_rq_2xx') === 40);
  expect(before.filter(({ socket }) => socket.destroyed)).toHaveLength(held);
  const seen = numbers(dataplane);
  expect(seen.get('server.worker_restarts')).toBe(1);
  expect(seen.get('listener.127.0.0.1_0.downstream_cx_active')).toBe(40 - held);
  expect(dataplane.state.activeConnections).toBe(40 - held);
});

it('shares one listening socket where reuse_port is off', async () => {
  const { dataplane, port } = await start('enable_reuse_port: false');
  for (let i = 0; i < 10; i++) await ask(port);
  await until(() => numbers(dataplane).get('http.test.downstream_rq_2xx') === 10);
  expect(numbers(dataplane).get('listener_manager.listener_create_success')).toBe(2);
});

it('drains connections of all workers', async () => {
  const { dataplane, port } = await start();
  const { socket } = await ask(port);
  dataplane.state.healthy = false;
  await until(
    () =>
      new Promise<boolean>((resolve) => {
        socket.once('data', (bytes: Buffer) => resolve(bytes.toString().includes('connection: close')));
        socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
      }),
  );
  dataplane.stopListening();
  await until(
    () =>
      new Promise<boolean>((resolve) => {
        const late = connect(port, '127.0.0.1');
        late.on('connect', () => {
          late.destroy();
          resolve(false);
        });
        late.on('error', () => resolve(true));
      }),
  );
});

it('holds a circuit breaker for all workers together', async () => {
  const { port } = await start('', 2, 3);
  slowMayEnd = Promise.withResolvers();
  const statuses: string[] = [];
  const sockets = Array.from({ length: 12 }, () => {
    const socket = connect(port, '127.0.0.1');
    socket.once('data', (bytes: Buffer) => statuses.push(bytes.toString().slice(9, 12)));
    socket.write('GET /slow HTTP/1.1\r\nhost: a\r\n\r\n');
    return socket;
  });
  await until(() => statuses.length >= 8);
  slowMayEnd.resolve();
  await until(() => statuses.length === 12);
  for (const socket of sockets) socket.destroy();
  // Each thread may find the last free place at the same moment.
  const passed = statuses.filter((status) => status === '200').length;
  expect(passed).toBeGreaterThanOrEqual(3);
  expect(passed).toBeLessThanOrEqual(4);
});

it('tells workers what health checks of the main thread find', async () => {
  const { dataplane, port } = await start(
    '',
    2,
    1024,
    'common_lb_config: {healthy_panic_threshold: {value: 0}}\n    health_checks: [{timeout: 1s, interval: 0.1s, no_traffic_interval: 0.1s, unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: {path: /health}}]',
  );
  await ask(port);
  expect(numbers(dataplane).get('cluster.backend.health_check.success')).toBeGreaterThan(0);
  backendFails = true;
  await until(async () => (await status(port)) === '503');
  backendFails = false;
  await until(async () => (await status(port)) === '200');
});

it('relays routes to workers when the main thread has accepted them, and nothing that it refused', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'xebec-workers-'));
  closers.push(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'rds.json');
  const write = (version: string, status: number): void => {
    const route = { match: { prefix: '/' }, direct_response: { status, body: { inline_string: version } } };
    const resource = {
      '@type': 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
      name: 'live',
      virtual_hosts: [
        { name: 'all', domains: ['*'], routes: [status === 0 ? { match: { safe_regex: { regex: '(' } }, redirect: {} } : route] },
      ],
    };
    writeFileSync(`${path}.new`, JSON.stringify({ version_info: version, resources: [resource] }));
    renameSync(`${path}.new`, path);
  };
  write('1', 201);
  const manager = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: 'test',
    http_filters: [{ name: 'router', typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' } }],
    rds: { route_config_name: 'live', config_source: { path_config_source: { path } } },
  };
  const listeners = [
    {
      name: 'main',
      address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
      filter_chains: [{ filters: [{ name: 'http', typed_config: manager }] }],
    },
  ];
  const dataplane = await startDataplane({
    bootstrap: parseBootstrap(JSON.stringify({ static_resources: { listeners } }), 'test.json'),
    clock: systemClock,
    random: seededRandom(1),
    logger: silentLogger,
    version: 'test',
    concurrency: 2,
  });
  closers.push(() => dataplane.close());
  await dataplane.ready;
  const bound = dataplane.state.listeners.boundAddress('main');
  const port = bound?.kind === 'tcp' ? bound.port : 0;
  expect(await status(port)).toBe('201');
  write('2', 0);
  write('3', 202);
  await until(async () => (await status(port)) === '202');
  // A worker that comes later gets what is in force.
  write('4', 0);
  await dataplane.terminateWorker(0);
  await dataplane.terminateWorker(1);
  expect(await Promise.all(Array.from({ length: 8 }, () => status(port)))).toEqual(Array.from({ length: 8 }, () => '202'));
});
