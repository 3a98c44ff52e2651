import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { seededRandom, silentLogger, systemClock } from '@xebec/core';
import { afterEach, expect, it, vi } from 'vitest';
import { parseBootstrap } from '../config/bootstrap.ts';
import { type Dataplane, startDataplane } from '../dataplane.ts';

// What Envoy limits for the whole process, two workers must not do twice.

// Workers start in a second each, more where others need the processor too.
vi.setConfig({ testTimeout: 60_000 });

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

/** Answers with its port; `/500` fails, `/leave` asks to be left alone. */
async function backend(): Promise<number> {
  const server = createHttpServer((incoming, response) => {
    if (incoming.url === '/500') response.statusCode = 500;
    if (incoming.url === '/leave') response.setHeader('x-envoy-immediate-health-check-fail', 'true');
    response.end(String((server.address() as AddressInfo).port));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const type = (name: string) => `type.googleapis.com/envoy.extensions.filters.${name}`;

interface Parts {
  readonly httpFilters?: readonly object[];
  readonly networkFilters?: readonly object[];
  readonly perRoute?: object;
  readonly cluster?: object;
  readonly backends?: number;
  readonly runtime?: object;
}

async function start(parts: Parts): Promise<{ dataplane: Dataplane; port: number }> {
  const ports = await Promise.all(Array.from({ length: parts.backends ?? 1 }, backend));
  const route = { match: { prefix: '/' }, route: { cluster: 'backend' } };
  const listener = {
    name: 'main',
    address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
    filter_chains: [
      {
        filters: [
          ...(parts.networkFilters ?? []),
          {
            name: 'http',
            typed_config: {
              '@type': type('network.http_connection_manager.v3.HttpConnectionManager'),
              stat_prefix: 'test',
              http_filters: [...(parts.httpFilters ?? []), { name: 'router', typed_config: { '@type': type('http.router.v3.Router') } }],
              route_config: {
                name: 'r',
                virtual_hosts: [
                  {
                    name: 'all',
                    domains: ['*'],
                    routes: [
                      // Configured alike, and yet each has its own.
                      { ...route, match: { prefix: '/one' }, typed_per_filter_config: parts.perRoute ?? {} },
                      { ...route, match: { prefix: '/two' }, typed_per_filter_config: parts.perRoute ?? {} },
                      route,
                    ],
                  },
                ],
              },
            },
          },
        ],
      },
    ],
  };
  const endpoints = ports.map((port) => ({ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } } }));
  const cluster = {
    name: 'backend',
    load_assignment: { cluster_name: 'backend', endpoints: [{ lb_endpoints: endpoints }] },
    common_lb_config: { healthy_panic_threshold: { value: 0 } },
    ...parts.cluster,
  };
  const dataplane = await startDataplane({
    bootstrap: parseBootstrap(
      JSON.stringify({ layered_runtime: parts.runtime, static_resources: { listeners: [listener], clusters: [cluster] } }),
      'test.json',
    ),
    clock: systemClock,
    random: seededRandom(1),
    logger: silentLogger,
    version: 'test',
    concurrency: 2,
  });
  closers.push(() => dataplane.close());
  await dataplane.ready;
  const bound = dataplane.state.listeners.boundAddress('main');
  return { dataplane, port: bound?.kind === 'tcp' ? bound.port : 0 };
}

/** A connection, and what it says until it has said something or is closed. */
function open(port: number, path = '/'): { socket: Socket; text: Promise<string> } {
  const socket = connect(port, '127.0.0.1');
  closers.push(() => void socket.destroy());
  socket.write(`GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`);
  const text = new Promise<string>((resolve) => {
    let all = '';
    socket.on('data', (bytes: Buffer) => {
      all += bytes.toString();
      if (/\r\n\r\n./s.test(all)) resolve(all);
    });
    socket.on('error', () => resolve(all));
    socket.on('close', () => resolve(all));
  });
  return { socket, text };
}

/** Statuses of requests on a connection each, which the kernel spreads over the workers. */
async function statuses(port: number, count: number, path = '/'): Promise<Map<string, number>> {
  const seen = new Map<string, number>();
  for (let i = 0; i < count; i++) {
    const { socket, text } = open(port, path);
    const status = (await text).slice(9, 12);
    seen.set(status, (seen.get(status) ?? 0) + 1);
    socket.destroy();
  }
  return seen;
}

function value(dataplane: Dataplane, name: string): number | undefined {
  const sample = dataplane.state.stats.collect().find((candidate) => candidate.name === name);
  return sample?.kind === 'histogram' || sample?.kind === 'text' ? undefined : sample?.value;
}

const always = { default_value: { numerator: 100, denominator: 'HUNDRED' } };
const bucket = (tokens: number) => ({ max_tokens: tokens, tokens_per_fill: 1, fill_interval: '3600s' });
const localRateLimit = (tokens: number) => ({
  '@type': type('http.local_ratelimit.v3.LocalRateLimit'),
  stat_prefix: 'limit',
  token_bucket: bucket(tokens),
  filter_enabled: always,
  filter_enforced: always,
});

it('limits HTTP requests by the tokens of all workers, each route by its own', async () => {
  const { dataplane, port } = await start({
    httpFilters: [{ name: 'limit', typed_config: localRateLimit(7) }],
    perRoute: { limit: localRateLimit(5) },
  });
  for (const [path, tokens] of [
    ['/', 7],
    ['/one', 5],
    ['/two', 5],
  ] as const) {
    expect(await statuses(port, 30, path)).toEqual(
      new Map([
        ['200', tokens],
        ['429', 30 - tokens],
      ]),
    );
  }
  await until(() => value(dataplane, 'limit.http_local_rate_limit.ok') === 17);
  // A worker that is started again finds the buckets as they are.
  await Promise.all([dataplane.terminateWorker(0), dataplane.terminateWorker(1)]);
  expect((await statuses(port, 5)).get('429')).toBe(5);
});

it('limits connections by the tokens of all workers', async () => {
  const { port } = await start({
    networkFilters: [
      {
        name: 'limit',
        typed_config: {
          '@type': type('network.local_ratelimit.v3.LocalRateLimit'),
          stat_prefix: 'limit',
          token_bucket: bucket(6),
        },
      },
    ],
  });
  expect((await statuses(port, 24)).get('200')).toBe(6);
});

it('counts connections of a connection limit in all workers', async () => {
  const { dataplane, port } = await start({
    networkFilters: [
      {
        name: 'limit',
        typed_config: { '@type': type('network.connection_limit.v3.ConnectionLimit'), stat_prefix: 'limit', max_connections: 5 },
      },
    ],
  });
  const sockets: Socket[] = [];
  let passed = 0;
  for (let i = 0; i < 20; i++) {
    const { socket, text } = open(port);
    if ((await text).startsWith('HTTP/1.1 200')) passed++;
    sockets.push(socket);
  }
  expect(passed).toBe(5);
  expect(value(dataplane, 'connection_limit.limit.active_connections')).toBe(5);
  expect(value(dataplane, 'connection_limit.limit.limited_connections')).toBe(15);
  for (const socket of sockets) socket.destroy();
  await until(async () => (await statuses(port, 1)).get('200') === 1);
});

it('counts active faults of all workers', async () => {
  const { dataplane, port } = await start({
    httpFilters: [
      {
        name: 'fault',
        typed_config: {
          '@type': type('http.fault.v3.HTTPFault'),
          delay: { fixed_delay: '60s', percentage: { numerator: 100 } },
          max_active_faults: 4,
        },
      },
    ],
  });
  const opened = Array.from({ length: 20 }, () => open(port));
  await until(() => value(dataplane, 'http.test.fault.faults_overflow') === 16);
  expect(value(dataplane, 'http.test.fault.active_faults')).toBe(4);
  for (const { socket } of opened) socket.destroy();
  await until(() => value(dataplane, 'http.test.fault.active_faults') === 0);
});

it('ejects a host by what all workers saw, for all of them', async () => {
  const { dataplane, port } = await start({
    cluster: {
      outlier_detection: { consecutive_5xx: 6, interval: '3600s', max_ejection_percent: 100, enforcing_consecutive_gateway_failure: 0 },
    },
  });
  expect(await statuses(port, 5, '/500')).toEqual(new Map([['500', 5]]));
  // One good answer, from whichever worker, and the count starts over.
  expect(await statuses(port, 1)).toEqual(new Map([['200', 1]]));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(await statuses(port, 5, '/500')).toEqual(new Map([['500', 5]]));
  expect(value(dataplane, 'cluster.backend.outlier_detection.ejections_active')).toBe(0);
  expect(await statuses(port, 1, '/500')).toEqual(new Map([['500', 1]]));
  await until(async () => (await statuses(port, 10)).get('503') === 10);
  expect(value(dataplane, 'cluster.backend.outlier_detection.ejections_active')).toBe(1);
  expect(value(dataplane, 'cluster.backend.outlier_detection.ejections_enforced_consecutive_5xx')).toBe(1);
  expect(value(dataplane, 'cluster.backend.membership_healthy')).toBe(0);
  // Also for one that comes later.
  await Promise.all([dataplane.terminateWorker(0), dataplane.terminateWorker(1)]);
  expect(await statuses(port, 5)).toEqual(new Map([['503', 5]]));
});

it('leaves a host alone that asked one worker for it', async () => {
  const { dataplane, port } = await start({
    backends: 2,
    cluster: {
      health_checks: [
        {
          timeout: '1s',
          interval: '3600s',
          no_traffic_interval: '3600s',
          unhealthy_threshold: 3,
          healthy_threshold: 1,
          http_health_check: { path: '/' },
        },
      ],
    },
  });
  const { socket, text } = open(port, '/leave');
  const left = (await text).split('\r\n\r\n')[1];
  socket.destroy();
  await until(() => value(dataplane, 'cluster.backend.health_check.passive_failure') === 1);
  await until(async () => {
    const answers = await Promise.all(Array.from({ length: 12 }, () => open(port).text));
    return answers.every((answer) => answer.split('\r\n\r\n')[1] !== left);
  });
});

it('tells all workers of changes of the runtime, also those that come later', async () => {
  const runtime = {
    layers: [
      { name: 'static', static_layer: {} },
      { name: 'admin', admin_layer: {} },
    ],
  };
  const { dataplane, port } = await start({ runtime });
  const key = 'envoy.resource_limits.listener.main.connection_limit';
  dataplane.state.modifyRuntime([[key, '0']]);
  dataplane.state.modifyRuntime([['other', '1']]);
  await until(async () => (await statuses(port, 8)).get('') === 8);
  await Promise.all([dataplane.terminateWorker(0), dataplane.terminateWorker(1)]);
  expect(await statuses(port, 8)).toEqual(new Map([['', 8]]));
  dataplane.state.modifyRuntime([[key, '']]);
  await until(async () => (await statuses(port, 8)).get('200') === 8);
});

it('starts the counters of all workers over', async () => {
  const { dataplane, port } = await start({});
  await statuses(port, 12);
  await until(() => value(dataplane, 'http.test.downstream_rq_2xx') === 12);
  dataplane.state.resetCounters();
  await until(() => value(dataplane, 'http.test.downstream_rq_2xx') === 0);
});
