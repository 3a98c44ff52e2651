import { createServer as createHttpServer, request as httpRequest, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';
import { seededRandom, silentLogger, systemClock } from '@xebec/core';
import { afterEach, expect, it } from 'vitest';
import { parseBootstrap } from '../config/bootstrap.ts';
import { startDataplane } from '../dataplane.ts';
import type { TapEvent } from './tap-event.ts';
import type { TapStatus } from './tap-viewers.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error('not within 10 s');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** `/fails` answers 503, `/flaky` every other time. */
async function backend(): Promise<number> {
  let calls = 0;
  const server = createHttpServer((incoming, response) => {
    incoming.resume();
    if (incoming.url === '/fails' || (incoming.url === '/flaky' && calls++ % 2 === 0)) response.statusCode = 503;
    response.setHeader('set-cookie', 'session=geheim');
    response.end('from the backend');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

interface Proxy {
  readonly port: number;
  readonly tcpPort: number;
  readonly choosyPort: number;
  readonly adminPort: number;
}

async function start(concurrency = 1): Promise<Proxy> {
  const upstream = await backend();
  const echo = createTcpServer((socket) => socket.on('error', () => undefined).pipe(socket));
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  closers.push(() => void echo.close());
  const endpoint = (port: number): string =>
    `endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: ${port}}}}}]}]`;
  const dataplane = await startDataplane({
    bootstrap: parseBootstrap(
      `
node: {id: sidecar~10.0.0.1~web-1.shop~shop.svc.cluster.local, metadata: {NAME: web-1, NAMESPACE: shop, WORKLOAD_NAME: web, LABELS: {app: web}}}
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
static_resources:
  listeners:
  - name: http
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    traffic_direction: OUTBOUND
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
            name: r
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - {name: again, match: {prefix: /flaky}, route: {cluster: "outbound|80||backend.shop.svc.cluster.local", retry_policy: {retry_on: 5xx, num_retries: 2}}}
              - {name: everything, match: {prefix: /}, route: {cluster: "outbound|80||backend.shop.svc.cluster.local"}}
  - name: tcp
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    traffic_direction: OUTBOUND
    filter_chains:
    - filters:
      - name: tcp
        typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: tcp, cluster: echo}
  - name: choosy
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    traffic_direction: INBOUND
    filter_chains:
    - filter_chain_match: {server_names: [a.example]}
      filters:
      - name: tcp
        typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: tcp, cluster: echo}
  clusters:
  - name: outbound|80||backend.shop.svc.cluster.local
    load_assignment: {cluster_name: b, ${endpoint(upstream)}}
  - name: echo
    load_assignment: {cluster_name: echo, ${endpoint((echo.address() as AddressInfo).port)}}`,
      'test.yaml',
    ),
    clock: systemClock,
    random: seededRandom(1),
    logger: silentLogger,
    version: 'test',
    concurrency,
  });
  closers.push(() => dataplane.close());
  await dataplane.ready;
  const boundPort = (name: string): number => {
    const bound = dataplane.state.listeners.boundAddress(name);
    if (bound?.kind !== 'tcp') throw new Error('not bound');
    return bound.port;
  };
  return {
    port: boundPort('http'),
    tcpPort: boundPort('tcp'),
    choosyPort: boundPort('choosy'),
    adminPort: dataplane.adminAddress?.port ?? 0,
  };
}

interface Viewer {
  readonly status: number;
  readonly text: () => string;
  readonly events: () => readonly TapEvent[];
  readonly statuses: () => readonly TapStatus[];
  readonly ended: () => boolean;
  readonly response: IncomingMessage;
  close(): void;
}

/** Looks; resolves when every thread knows, or with the refusal. */
async function look(port: number, query: string, method = 'POST'): Promise<Viewer> {
  let text = '';
  let ended = false;
  const call = httpRequest({ host: '127.0.0.1', port, path: `/tap/stream?${query}`, method, agent: false });
  call.on('error', () => undefined);
  closers.push(() => void call.destroy());
  const response = await new Promise<IncomingMessage>((resolve) => call.once('response', resolve).end());
  response.on('data', (bytes: Buffer) => {
    text += bytes.toString();
  });
  response.once('end', () => {
    ended = true;
  });
  response.on('error', () => undefined);
  const lines = (): unknown[] =>
    text
      .slice(0, text.lastIndexOf('\n') + 1)
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  await until(() => text.includes('tap_started') || ended);
  return {
    status: response.statusCode ?? 0,
    text: () => text,
    events: () => lines().filter((line): line is TapEvent => typeof line === 'object' && line !== null && 'summary' in line),
    statuses: () =>
      lines().flatMap((line) => (typeof line === 'object' && line !== null && 'tap_status' in line ? [line.tap_status as TapStatus] : [])),
    ended: () => ended,
    response,
    close: () => call.destroy(),
  };
}

async function get(port: number, path: string, headers: Record<string, string> = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    httpRequest({ host: '127.0.0.1', port, path, headers, agent: false }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode ?? 0));
    })
      .once('error', reject)
      .end();
  });
}

it('shows a request with its route, upstream, workload and timing, in the words of Envoy', async () => {
  const { port, adminPort } = await start();
  const viewer = await look(adminPort, '');
  await get(port, '/reviews/1?token=geheim&page=2', { authorization: 'Bearer geheim', 'x-team': 'blue', 'x-api-key': 'geheim' });
  await until(() => viewer.events().length === 1);
  const [event] = viewer.events();
  expect(event?.summary).toMatchObject({
    direction: 'outbound',
    protocol: 'HTTP/1.1',
    request_method: 'GET',
    path: '/reviews/1?token=[redacted]&page=2',
    response_code: 200,
    response_flags: [],
    route_name: 'everything',
    upstream_cluster: 'outbound|80||backend.shop.svc.cluster.local',
    upstream_remote_address: expect.stringMatching(/^127\.0\.0\.1:[0-9]+$/),
    upstream_request_attempt_count: 1,
    response_body_bytes: 16,
    mtls: false,
    source: { workload: 'web', namespace: 'shop', app: 'web' },
  });
  expect(event?.summary.duration_ms).toBeGreaterThan(0);
  const headers = event?.http_buffered_trace?.request.headers;
  expect(headers).toContainEqual({ key: ':method', value: 'GET' });
  expect(headers).toContainEqual({ key: 'x-team', value: 'blue' });
  expect(headers).toContainEqual({ key: 'authorization', value: '[redacted]' });
  expect(event?.http_buffered_trace?.response?.headers).toContainEqual({ key: 'set-cookie', value: '[redacted]' });
  expect(viewer.text()).not.toContain('geheim');
});

it('shows secret headers to those who ask for them', async () => {
  const { port, adminPort } = await start();
  const [one, all] = [await look(adminPort, 'show_headers=x-api-key'), await look(adminPort, 'show_headers=*')];
  await get(port, '/?token=t', { authorization: 'Bearer geheim', 'x-api-key': 'k' });
  await until(() => one.events().length === 1 && all.events().length === 1);
  expect(one.events()[0]?.http_buffered_trace?.request.headers).toContainEqual({ key: 'x-api-key', value: 'k' });
  expect(one.text()).not.toContain('geheim');
  expect(all.events()[0]?.http_buffered_trace?.request.headers).toContainEqual({ key: 'authorization', value: 'Bearer geheim' });
  expect(all.events()[0]?.summary.path).toBe('/?token=t');
});

it('shows each viewer what it asked for', async () => {
  const { port, adminPort } = await start();
  const failures = await look(adminPort, 'status=5xx&path=/f');
  const team = await look(adminPort, 'header=x-team:~^bl&from=web.shop&to=backend');
  const nobody = await look(adminPort, 'direction=inbound');
  await get(port, '/fails');
  await get(port, '/fine');
  await get(port, '/', { 'x-team': 'blue' });
  await get(port, '/', { 'x-team': 'red' });
  await until(() => failures.events().length === 1 && team.events().length === 1);
  expect(failures.events()[0]?.summary).toMatchObject({ path: '/fails', response_code: 503 });
  expect(team.events()[0]?.http_buffered_trace?.request.headers).toContainEqual({ key: 'x-team', value: 'blue' });
  expect(nobody.events()).toEqual([]);
});

it('counts tries, and shows connections that are not HTTP', async () => {
  const { port, tcpPort, adminPort } = await start();
  const viewer = await look(adminPort, '');
  await get(port, '/flaky');
  await new Promise<void>((resolve) => {
    const socket = connect(tcpPort, '127.0.0.1', () => socket.write('hello'));
    socket.once('data', () => socket.end());
    socket.once('close', () => resolve());
  });
  await until(() => viewer.events().length === 2);
  const [retried, connection] = viewer.events();
  expect(retried?.summary).toMatchObject({ response_code: 200, route_name: 'again', upstream_request_attempt_count: 2 });
  expect(connection?.summary).toMatchObject({ protocol: 'TCP', upstream_cluster: 'echo', request_body_bytes: 5, response_body_bytes: 5 });
  expect(connection?.socket_buffered_trace?.connection.remote_address?.socket_address.address).toBe('127.0.0.1');
});

it('shows connections that no filter chain takes', async () => {
  const { choosyPort, adminPort } = await start();
  const [viewer, requests] = [await look(adminPort, 'flags=NR&direction=inbound'), await look(adminPort, 'status=0')];
  await new Promise<void>((resolve) => {
    connect(choosyPort, '127.0.0.1')
      .on('error', () => undefined)
      .once('close', () => resolve());
  });
  await until(() => viewer.events().length === 1);
  expect(viewer.events()[0]?.summary).toMatchObject({
    protocol: 'TCP',
    response_flags: ['NR'],
    response_code_details: 'filter_chain_not_found',
    upstream_request_attempt_count: 0,
    destination: { workload: 'web', namespace: 'shop' },
  });
  // A condition on requests turns connections away.
  expect(requests.events()).toEqual([]);
});

it('shows requests that the codec refuses', async () => {
  const { port, adminPort } = await start();
  const viewer = await look(adminPort, 'status=400');
  const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\n\r\n'));
  socket.on('error', () => undefined).resume();
  await until(() => viewer.events().length === 1);
  socket.destroy();
  expect(viewer.events()[0]?.summary).toMatchObject({ protocol: 'HTTP/1.1', response_code: 400 });
});

it('keeps to its rate and says what it left out', async () => {
  const { port, adminPort } = await start();
  const viewer = await look(adminPort, 'max_rps=3');
  for (let n = 0; n < 20; n++) await get(port, `/${n}`);
  await until(() => {
    const last = viewer.statuses().at(-1);
    return last !== undefined && last.sent + last.dropped_by_rate === 20;
  });
  // Twenty requests may fall into two seconds.
  expect(viewer.events().length).toBeLessThanOrEqual(6);
  expect(viewer.statuses().at(-1)?.sent).toBe(viewer.events().length);
});

it('sees what worker threads carry, within one rate', async () => {
  const { port, adminPort } = await start(2);
  const viewer = await look(adminPort, 'path=/seen');
  for (let n = 0; n < 20; n++) await get(port, `/seen/${n}`);
  await until(() => viewer.events().length === 20);
  const paths = viewer.events().map(({ summary }) => summary.path);
  expect(new Set(paths).size).toBe(20);
  viewer.close();
  const slow = await look(adminPort, 'max_rps=2');
  for (let n = 0; n < 20; n++) await get(port, '/');
  await until(() => {
    const last = slow.statuses().at(-1);
    return last !== undefined && last.sent + last.dropped_by_rate === 20;
  });
  expect(slow.events().length).toBeLessThanOrEqual(4);
});

it('ends when its time is over, and says so', async () => {
  const { adminPort } = await start();
  const viewer = await look(adminPort, 'duration=50ms');
  await until(viewer.ended);
  expect(viewer.statuses().at(-1)).toEqual({ sent: 0, dropped_by_rate: 0, dropped_by_slow_viewer: 0, ended: 'duration' });
});

it('takes eight viewers and forgets those who left', async () => {
  const { adminPort } = await start();
  const viewers = await Promise.all(Array.from({ length: 8 }, () => look(adminPort, '')));
  const ninth = await look(adminPort, '');
  expect(ninth.status).toBe(429);
  viewers[0]?.close();
  await until(async () => (await look(adminPort, '')).status === 200);
});

it.each([
  ['status=6xx', 'status "6xx": is no status; write 404, 5xx or 500-599\n'],
  ['path=reviews', 'path "reviews": must begin with / or with ~ for a regular expression\n'],
  ['path=~(', 'path "(": regular expression "(" is not valid RE2 syntax: error parsing regexp: missing closing ): `(`\n'],
  ['max_rps=1001', 'max_rps "1001": must be a whole number from 1 to 1000\n'],
  ['duration=2h', 'duration "2h": must be from 1 ms to 60 minutes\n'],
  ['direction=up', 'direction "up": must be inbound or outbound\n'],
  ['grpc_status=17', 'grpc_status "17": is no gRPC status; write a number from 0 to 16 or a name such as UNAVAILABLE\n'],
])('refuses %s with a line', async (query, line) => {
  const { adminPort } = await start();
  const viewer = await look(adminPort, query);
  expect([viewer.status, viewer.text()]).toEqual([400, line]);
});

it('has to be asked by POST', async () => {
  const { adminPort } = await start();
  expect((await look(adminPort, '', 'GET')).status).toBe(405);
});
