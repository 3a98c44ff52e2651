import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, createServer as createHttpServer, type IncomingMessage, request } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom, silentLogger, systemClock } from '@xebec/core';
import { afterEach, expect, it } from 'vitest';
import { parseBootstrap } from './config/bootstrap.ts';
import { type Dataplane, startDataplane } from './dataplane.ts';

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** A backend that tells what it was asked; `/fail-once` answers 503 to every other request. */
async function backend(): Promise<{ port: number; connections: () => number }> {
  let connections = 0;
  let failures = 0;
  const server = createHttpServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      if (incoming.url === '/fail-once' && failures++ % 2 === 0) response.statusCode = 503;
      response.end(JSON.stringify({ url: incoming.url, headers: incoming.headers, body: Buffer.concat(chunks).toString() }));
    });
  });
  server.on('connection', () => connections++);
  closers.push(() => server.closeAllConnections());
  return { port: await listen(server), connections: () => connections };
}

const manager = (routes: string): string => `
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: test
          upgrade_configs: [{upgrade_type: websocket}]
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          ${routes}`;

const cluster = (name: string, port: number): string => `
  - name: ${name}
    load_assignment:
      cluster_name: ${name}
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: ${port}}}}}]}]`;

async function start(filter: string, clusters: string): Promise<{ dataplane: Dataplane; port: number }> {
  const text = `
static_resources:
  listeners:
  - name: main
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:${filter}
  clusters:${clusters}`;
  const dataplane = await startDataplane({
    bootstrap: parseBootstrap(text, 'test.yaml'),
    clock: systemClock,
    random: seededRandom(1),
    logger: silentLogger,
    version: 'test',
  });
  closers.push(() => dataplane.close());
  await dataplane.ready;
  const bound = dataplane.state.listeners.boundAddress('main');
  if (bound?.kind !== 'tcp') throw new Error('not bound');
  return { dataplane, port: bound.port };
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

const agent = new Agent({ keepAlive: true, maxSockets: 1 });

function get(
  port: number,
  path: string,
  options: { readonly method?: string; readonly body?: string; readonly headers?: Record<string, string> } = {},
) {
  return new Promise<Answer>((resolve, reject) => {
    const { method = 'GET', headers = {} } = options;
    const call = request({ host: '127.0.0.1', port, path, method, headers, agent }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    call.on('error', reject);
    call.end(options.body);
  });
}

const routes = (list: string): string => `route_config: {name: r, virtual_hosts: [{name: all, domains: ["*"], routes: [${list}]}]}`;

it('proxies requests and reuses the upstream connection after bodies', async () => {
  const { port: upstream, connections } = await backend();
  const { port } = await start(manager(routes('{match: {prefix: /}, route: {cluster: backend}}')), cluster('backend', upstream));
  for (let i = 0; i < 5; i++) {
    const answer = await get(port, '/hello', { method: 'POST', body: 'content' });
    expect(answer).toMatchObject({ status: 200, headers: { server: 'envoy' } });
    expect(JSON.parse(answer.body)).toMatchObject({
      url: '/hello',
      body: 'content',
      headers: { 'x-forwarded-proto': 'http', 'x-envoy-expected-rq-timeout-ms': '15000' },
    });
  }
  expect(connections()).toBe(1);
});

it('answers itself as Envoy does', async () => {
  const list = [
    '{match: {prefix: /direct}, direct_response: {status: 418, body: {inline_string: teapot}}}',
    '{match: {prefix: /redirect}, redirect: {host_redirect: example.com}}',
    '{match: {prefix: /dead}, route: {cluster: dead}}',
    '{match: {prefix: /empty}, route: {cluster: empty}}',
  ];
  const { port } = await start(manager(routes(list.join())), `${cluster('dead', 1)}\n  - {name: empty}`);
  expect(await get(port, '/direct')).toMatchObject({ status: 418, body: 'teapot' });
  expect(await get(port, '/redirect')).toMatchObject({ status: 301, headers: { location: 'http://example.com/redirect' } });
  expect(await get(port, '/nowhere')).toMatchObject({ status: 404, body: '' });
  expect(await get(port, '/empty')).toMatchObject({ status: 503, body: 'no healthy upstream' });
  expect(await get(port, '/dead')).toMatchObject({
    status: 503,
    body: 'upstream connect error or disconnect/reset before headers. reset reason: remote connection failure',
  });
  expect(await get(port, '/empty', { method: 'POST', headers: { 'content-type': 'application/grpc' } })).toMatchObject({
    status: 200,
    headers: { 'grpc-status': '14', 'grpc-message': 'no healthy upstream' },
  });
});

it('retries with the body by the route policy', async () => {
  const { port: upstream } = await backend();
  const route = '{match: {prefix: /}, route: {cluster: backend, retry_policy: {retry_on: 5xx, num_retries: 2}}}';
  const { port, dataplane } = await start(manager(routes(route)), cluster('backend', upstream));
  const answer = await get(port, '/fail-once', { method: 'POST', body: 'again' });
  expect(answer.status).toBe(200);
  expect(JSON.parse(answer.body)).toMatchObject({ body: 'again' });
  expect(dataplane.state.clusters.get('backend')?.stats.rqRetry.value).toBe(1);
});

it('carries TCP both ways', async () => {
  const echo = createTcpServer((socket) => socket.pipe(socket));
  const upstream = await listen(echo);
  const filter = `
      - name: tcp
        typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: tcp, cluster: backend}`;
  const { port } = await start(filter, cluster('backend', upstream));
  const received = await new Promise<string>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    socket.on('end', () => resolve(text));
    socket.on('error', reject);
    socket.end('one two three');
  });
  expect(received).toBe('one two three');
});

it('takes new routes from a replaced file while a client keeps its connection', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'xebec-dataplane-'));
  closers.push(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'rds.json');
  const write = (body: string): void => {
    const resource = {
      '@type': 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
      name: 'live',
      virtual_hosts: [
        {
          name: 'all',
          domains: ['*'],
          routes: [{ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: body } } }],
        },
      ],
    };
    writeFileSync(`${file}.new`, JSON.stringify({ version_info: body, resources: [resource] }));
    renameSync(`${file}.new`, file);
  };
  write('first');
  const { port } = await start(
    manager(`rds: {route_config_name: live, config_source: {path_config_source: {path: ${file}}}}`),
    cluster('unused', 1),
  );
  expect((await get(port, '/')).body).toBe('first');
  write('second');
  const deadline = Date.now() + 5000;
  while ((await get(port, '/')).body !== 'second' && Date.now() < deadline);
  expect((await get(port, '/')).body).toBe('second');
});

it('refuses an unknown field with its path and the nearest name', () => {
  expect(() => parseBootstrap('static_resources: {clusterz: []}', 'bootstrap.yaml')).toThrow(
    'bootstrap.yaml: static_resources.clusterz: no such field in envoy.config.bootstrap.v3.Bootstrap.StaticResources; did you mean "clusters"?',
  );
});
