import { createServer, type IncomingHttpHeaders, request } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { seededRandom, silentLogger, systemClock } from '@xebec/core';
import { formatStatsText } from '@xebec/telemetry';
import { afterEach, expect, it } from 'vitest';
import { parseBootstrap } from '../config/bootstrap.ts';
import { type Dataplane, startDataplane } from '../dataplane.ts';

interface ZipkinSpan {
  readonly traceId: string;
  readonly id: string;
  readonly parentId?: string;
  readonly name: string;
  readonly kind: string;
  readonly localEndpoint: { readonly serviceName: string };
  readonly tags: Readonly<Record<string, string>>;
}

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** Answers with the headers it got. */
async function echo(): Promise<number> {
  const server = createServer((incoming, response) => response.end(JSON.stringify(incoming.headers)));
  closers.push(
    () => server.closeAllConnections(),
    () => void server.close(),
  );
  return listen(server);
}

async function collector(): Promise<{ port: number; spans: ZipkinSpan[]; heads: string[] }> {
  const spans: ZipkinSpan[] = [];
  const heads: string[] = [];
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      heads.push(`${incoming.method} ${incoming.headers.host}${incoming.url} ${incoming.headers['content-type']}`);
      spans.push(...(JSON.parse(Buffer.concat(chunks).toString()) as ZipkinSpan[]));
      response.writeHead(202).end();
    });
  });
  closers.push(
    () => server.closeAllConnections(),
    () => void server.close(),
  );
  return { port: await listen(server), spans, heads };
}

const tracing = (sampling: number, more = ''): string => `
          tracing:
            client_sampling: {value: 100}
            random_sampling: {value: ${sampling}}
            overall_sampling: {value: 100}
            custom_tags:
            - {tag: istio.mesh_id, literal: {value: cluster.local}}
            - {tag: build, environment: {name: BUILD, default_value: none}}
            - {tag: tenant, request_header: {name: x-tenant}}
            ${more}
            provider:
              name: envoy.tracers.zipkin
              typed_config:
                "@type": type.googleapis.com/envoy.config.trace.v3.ZipkinConfig
                collector_cluster: zipkin
                collector_endpoint: /api/v2/spans
                collector_endpoint_version: HTTP_JSON
                collector_hostname: zipkin.example
                trace_id_128bit: true
                shared_span_context: false`;

interface ProxyOptions {
  readonly cluster: string;
  readonly direction: 'INBOUND' | 'OUTBOUND';
  readonly upstream: number;
  readonly zipkin: number;
  readonly tracing: string;
  readonly operation: string;
}

async function proxy(options: ProxyOptions): Promise<{ dataplane: Dataplane; port: number }> {
  const cluster = (name: string, port: number): string => `
  - name: ${name}
    load_assignment:
      cluster_name: ${name}
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: ${port}}}}}]}]`;
  const text = `
node: {id: node-of-${options.cluster}, cluster: ${options.cluster}}
static_resources:
  listeners:
  - name: main
    traffic_direction: ${options.direction}
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: test
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{match: {prefix: /}, decorator: {operation: "${options.operation}"}, route: {cluster: backend}}]${options.tracing}
  clusters:${cluster('backend', options.upstream)}${cluster('zipkin', options.zipkin)}`;
  const dataplane = await startDataplane({
    bootstrap: parseBootstrap(text, 'test.yaml'),
    clock: systemClock,
    random: seededRandom(options.direction === 'INBOUND' ? 1 : 2),
    logger: silentLogger,
    version: 'test',
    env: { BUILD: '7' },
  });
  closers.push(() => dataplane.close());
  await dataplane.ready;
  const bound = dataplane.state.listeners.boundAddress('main');
  if (bound?.kind !== 'tcp') throw new Error('not bound');
  return { dataplane, port: bound.port };
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** What the backend saw. */
  readonly seen: Record<string, string | undefined>;
}

function get(port: number, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request(
      { host: '127.0.0.1', port, path: '/page?q=1', headers: { host: 'shop', ...headers }, agent: false },
      (response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => {
          body += chunk.toString();
        });
        response.on('end', () => {
          const seen = body.startsWith('{') ? JSON.parse(body) : {};
          resolve({ status: response.statusCode ?? 0, headers: response.headers, seen });
        });
      },
    );
    call.on('error', reject);
    call.end();
  });
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 8000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function counter({ state }: Dataplane, name: string): number {
  const line = formatStatsText(state.stats.collect())
    .split('\n')
    .find((text) => text.startsWith(`${name}: `));
  return Number(line?.slice(name.length + 2) ?? 0);
}

it('chains the client span of one proxy and the server span of the next', async () => {
  const zipkin = await collector();
  const common = { zipkin: zipkin.port, tracing: tracing(100) };
  const server = await proxy({ ...common, cluster: 'reviews.default', direction: 'INBOUND', upstream: await echo(), operation: 'inbound' });
  const client = await proxy({
    ...common,
    cluster: 'productpage.default',
    direction: 'OUTBOUND',
    upstream: server.port,
    operation: 'reviews:9080/*',
  });
  const answer = await get(client.port, { 'x-tenant': 'acme' });
  expect(answer.status).toBe(200);
  await until(() => zipkin.spans.length === 2, 'two spans');
  const outer = zipkin.spans.find((span) => span.kind === 'CLIENT');
  const inner = zipkin.spans.find((span) => span.kind === 'SERVER');
  expect(outer).toMatchObject({
    name: 'reviews:9080/*',
    localEndpoint: { serviceName: 'productpage.default' },
    tags: {
      component: 'proxy',
      node_id: 'node-of-productpage.default',
      'http.method': 'GET',
      'http.url': 'http://shop/page?q=1',
      'http.status_code': '200',
      response_flags: '-',
      upstream_cluster: 'backend',
      'peer.address': '127.0.0.1',
      'istio.mesh_id': 'cluster.local',
      build: '7',
      tenant: 'acme',
    },
  });
  expect(outer?.parentId).toBeUndefined();
  expect(outer?.traceId).toMatch(/^[0-9a-f]{32}$/);
  // The server's span takes the operation's name from its client.
  expect(inner).toMatchObject({
    name: 'reviews:9080/*',
    traceId: outer?.traceId,
    parentId: outer?.id,
    localEndpoint: { serviceName: 'reviews.default' },
  });
  expect(answer.seen).toMatchObject({
    'x-b3-traceid': outer?.traceId,
    'x-b3-spanid': inner?.id,
    'x-b3-parentspanid': outer?.id,
    'x-b3-sampled': '1',
  });
  expect(answer.seen['x-request-id']?.[14]).toBe('9');
  expect(answer.seen['x-envoy-decorator-operation']).toBeUndefined();
  expect(answer.headers['x-envoy-decorator-operation']).toBeUndefined();
  expect(zipkin.heads[0]).toBe('POST zipkin.example/api/v2/spans application/json');
  await until(() => counter(client.dataplane, 'tracing.zipkin.spans_sent') === 1, 'the count of spans');
  expect(counter(client.dataplane, 'http.test.tracing.random_sampling')).toBe(1);
});

it('follows the decision that a request carries, and begins none that is not to be sampled', async () => {
  const zipkin = await collector();
  const { dataplane, port } = await proxy({
    cluster: 'c',
    direction: 'INBOUND',
    upstream: await echo(),
    zipkin: zipkin.port,
    tracing: tracing(0),
    operation: 'own',
  });
  const traceId = '463ac35c9f6413ad48485a3953bb6124';
  const b3 = { 'x-b3-traceid': traceId, 'x-b3-spanid': 'a2fb4a1d1a96d312' };
  const plain = await get(port);
  expect(plain.seen).toMatchObject({ 'x-b3-sampled': '0' });
  expect(plain.headers['x-envoy-decorator-operation']).toBe('own');
  expect((await get(port, { ...b3, 'x-b3-sampled': '0' })).seen).toMatchObject({ 'x-b3-traceid': traceId, 'x-b3-sampled': '0' });
  expect((await get(port, { ...b3, 'x-b3-sampled': '1' })).seen).toMatchObject({ 'x-b3-traceid': traceId, 'x-b3-sampled': '1' });
  const w3c = await get(port, { traceparent: `00-${traceId}-a2fb4a1d1a96d312-01` });
  // Not this tracer's to read or to write.
  expect(w3c.seen['traceparent']).toBe(`00-${traceId}-a2fb4a1d1a96d312-01`);
  expect(w3c.seen['x-b3-sampled']).toBe('0');
  const marked = await get(port, { 'x-request-id': '00000000-0000-9000-8000-000000000000' });
  expect(marked.seen).toMatchObject({ 'x-b3-sampled': '1', 'x-request-id': '00000000-0000-9000-8000-000000000000' });
  await until(() => zipkin.spans.length >= 2, 'two spans');
  expect(zipkin.spans.map((span) => span.parentId)).toEqual(['a2fb4a1d1a96d312', undefined]);
  expect(counter(dataplane, 'http.test.tracing.not_traceable')).toBe(4);
});

it('reports to a collector service, at its host and path, with its headers', async () => {
  const zipkin = await collector();
  const service = tracing(100)
    .replace('collector_cluster: zipkin', 'collector_service:')
    .replace(
      'collector_endpoint: /api/v2/spans',
      "  http_uri: {uri: 'http://spans.example:9411/api/v2/spans', cluster: zipkin, timeout: 1s}",
    )
    .replace('collector_hostname: zipkin.example', '');
  const { port } = await proxy({
    cluster: 'c',
    direction: 'OUTBOUND',
    upstream: await echo(),
    zipkin: zipkin.port,
    tracing: service,
    operation: 'own',
  });
  await get(port);
  await until(() => zipkin.spans.length > 0, 'a span');
  expect(zipkin.heads).toEqual(['POST spans.example:9411/api/v2/spans application/json']);
});

it('passes trace headers unchanged where tracing is off', async () => {
  const { port } = await proxy({ cluster: 'c', direction: 'OUTBOUND', upstream: await echo(), zipkin: 1, tracing: '', operation: 'x' });
  const headers = {
    'x-b3-traceid': '463ac35c9f6413ad',
    'x-b3-spanid': 'a2fb4a1d1a96d312',
    'x-b3-sampled': '1',
    b3: '0',
    traceparent: 'any',
  };
  const { seen } = await get(port, { ...headers, 'x-request-id': '00000000-0000-4000-8000-000000000000' });
  expect(seen).toMatchObject({ ...headers, 'x-request-id': '00000000-0000-4000-8000-000000000000' });
  expect(seen['x-envoy-decorator-operation']).toBeUndefined();
});

it('loses spans, never requests, when the collector is away', async () => {
  const { dataplane, port } = await proxy({
    cluster: 'c',
    direction: 'OUTBOUND',
    upstream: await echo(),
    zipkin: 1,
    tracing: tracing(100),
    operation: 'x',
  });
  for (let i = 0; i < 3; i++) expect((await get(port)).status).toBe(200);
  await until(() => counter(dataplane, 'tracing.zipkin.spans_dropped') === 3, 'dropped spans');
  expect(counter(dataplane, 'tracing.zipkin.spans_sent')).toBe(0);
});

it('marks spans of failed requests, and gives every try its own where asked', async () => {
  const zipkin = await collector();
  const { port } = await proxy({
    cluster: 'c',
    direction: 'OUTBOUND',
    upstream: 1,
    zipkin: zipkin.port,
    tracing: tracing(100, 'spawn_upstream_span: true'),
    operation: 'x',
  });
  expect((await get(port)).status).toBe(503);
  await until(() => zipkin.spans.length >= 2, 'spans');
  const outer = zipkin.spans.find((span) => span.kind === 'SERVER');
  const attempt = zipkin.spans.find((span) => span.kind === 'CLIENT');
  expect(outer?.tags).toMatchObject({ 'http.status_code': '503', response_flags: 'UF', error: 'true' });
  expect(attempt).toMatchObject({ name: 'router backend egress', parentId: outer?.id });
});

it('refuses a tracer without a collector', async () => {
  const options = { cluster: 'c', direction: 'OUTBOUND', upstream: 1, zipkin: 1, operation: 'x' } as const;
  await expect(proxy({ ...options, tracing: tracing(1).replace('collector_cluster: zipkin', 'collector_cluster: ""') })).rejects.toThrow(
    /collector_cluster is empty|CollectorCluster: value length must be at least 1 characters/,
  );
});
