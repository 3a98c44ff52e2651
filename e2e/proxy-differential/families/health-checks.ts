import { createServer as createHttp, type ServerResponse } from 'node:http';
import { createServer as createHttp2, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, createServer as createTcp, type Server, type Socket } from 'node:net';
import { address, cluster, http2Upstream, httpConnectionManager, listener, virtualHost } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Json, Peer, Site } from '../harness/family.ts';

async function peer(server: Server): Promise<Peer> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Answers by the path that is checked. Requests other than checks get 200. */
const byPath: Readonly<Record<string, (response: ServerResponse) => void>> = {
  '/ok': (response) => response.end('all is well'),
  '/503': (response) => response.writeHead(503).end(),
  '/429': (response) => response.writeHead(429).end(),
  '/204': (response) => response.writeHead(204).end(),
  '/redirect': (response) => response.writeHead(302, { location: '/ok' }).end(),
  '/degraded': (response) => response.writeHead(200, { 'x-envoy-degraded': '1' }).end(),
  '/immediate': (response) => response.writeHead(200, { 'x-envoy-immediate-health-check-fail': '1' }).end(),
  '/named': (response) => response.writeHead(200, { 'x-envoy-upstream-healthchecked-cluster': 'service-one' }).end(),
  '/hang': () => undefined,
  '/reset': (response) => response.socket?.destroy(),
  '/passive': (response) => response.writeHead(200, { 'x-envoy-immediate-health-check-fail': '1' }).end(),
};

function httpPeer(): Promise<Peer> {
  const server = createHttp((request, response) => {
    if (request.url === '/header') response.writeHead(request.headers['x-check'] === 'yes' ? 200 : 500).end();
    else if (request.url === '/host') response.writeHead(request.headers.host === 'checked.example' ? 200 : 500).end();
    else if (request.url === '/cluster') response.writeHead(request.headers.host === 'http-cluster' ? 200 : 500).end();
    else if (request.url === '/agent') response.writeHead(request.headers['user-agent'] === 'Envoy/HC' ? 200 : 500).end();
    else if (request.url === '/method') response.writeHead(request.method === 'HEAD' ? 200 : 500).end();
    else (byPath[request.url ?? ''] ?? ((answer: ServerResponse) => answer.end('served')))(response);
  });
  return peer(server);
}

const serving = (status: number): Buffer => Buffer.from([0, 0, 0, 0, 2, 8, status]);

function grpcPeer(): Promise<Peer> {
  const server = createHttp2();
  server.on('sessionError', () => undefined);
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const body: Buffer[] = [];
    stream.on('error', () => undefined);
    stream.on('data', (data: Buffer) => body.push(data));
    stream.on('end', () => {
      const service = Buffer.concat(body).subarray(7).toString();
      if (headers[':path'] !== '/grpc.health.v1.Health/Check') {
        stream.respond({ ':status': 404 }, { endStream: true });
        return;
      }
      if (service === 'unknown') {
        stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '5' }, { endStream: true });
        return;
      }
      if (service === 'reset') {
        stream.close(8);
        return;
      }
      if (service === 'hang') return;
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': service === 'error' ? '13' : '0' }));
      stream.end(service === 'garbage' ? Buffer.from('nonsense') : serving(service === 'down' ? 2 : 1));
    });
  });
  return peer(server);
}

/** Says hello, and answers `ping` with `pong` in two parts. */
function tcpPeer(): Promise<Peer> {
  const server = createTcp((socket) => {
    socket.on('data', (bytes) => {
      if (bytes.toString().includes('close')) socket.destroy();
      else {
        socket.write('po');
        setTimeout(() => socket.write('ng!'), 20);
      }
    });
  });
  return peer(server);
}

const garbagePeer = (): Promise<Peer> => peer(createTcp((socket) => void socket.on('data', () => socket.write('\0\x01nonsense\r\n\r\n'))));
const hex = (text: string): string => Buffer.from(text).toString('hex');
const timing: Json = { timeout: '0.25s', interval: '10s', unhealthy_threshold: 2, healthy_threshold: 2 };
const http = (config: Json, more: Json = {}): Json => ({ ...timing, http_health_check: config, ...more });
const tcp = (config: Json): Json => ({ ...timing, tcp_health_check: config });
const grpc = (config: Json): Json => ({ ...timing, grpc_health_check: config });

/** By name of the cluster: which peer is checked, and how. */
const checks: Readonly<Record<string, readonly [peer: string, check: Json]>> = {
  ...Object.fromEntries(
    ['ok', '503', '429', '204', 'redirect', 'degraded', 'immediate', 'hang', 'reset', 'agent'].map(
      (path) => [`http-${path}`, ['web', http({ path: `/${path}` })]] as const,
    ),
  ),
  'http-expected': ['web', http({ path: '/204', expected_statuses: [{ start: 200, end: 205 }] })],
  'http-unexpected': ['web', http({ path: '/ok', expected_statuses: [{ start: 201, end: 205 }] })],
  'http-retriable': ['web', http({ path: '/429', retriable_statuses: [{ start: 400, end: 500 }] })],
  'http-header': ['web', http({ path: '/header', request_headers_to_add: [{ header: { key: 'X-Check', value: 'yes' } }] })],
  'http-host': ['web', http({ path: '/host', host: 'checked.example' })],
  'http-cluster': ['web', http({ path: '/cluster' })],
  'http-method': ['web', http({ path: '/method', method: 'HEAD' })],
  'http-body': ['web', http({ path: '/ok', receive: [{ text: hex('is well') }] })],
  'http-wrong-body': ['web', http({ path: '/ok', receive: [{ text: hex('is ill') }] })],
  'http-service': ['web', http({ path: '/named', service_name_matcher: { prefix: 'service' } })],
  'http-wrong-service': ['web', http({ path: '/named', service_name_matcher: { exact: 'service-two' } })],
  'http-h2': ['health', http({ path: '/x', codec_client_type: 'HTTP2', expected_statuses: [{ start: 404, end: 405 }] })],
  'http-garbage': ['garbage', http({ path: '/ok' })],
  'http-h2-to-h1': ['web', http({ path: '/ok', codec_client_type: 'HTTP2' })],
  'http-fresh': ['web', http({ path: '/ok' }, { reuse_connection: false })],
  'tcp-connect': ['line', tcp({})],
  'tcp-answer': ['line', tcp({ send: { text: hex('ping') }, receive: [{ text: hex('pong') }] })],
  'tcp-parts': ['line', tcp({ send: { text: hex('ping') }, receive: [{ text: hex('po') }, { text: hex('!') }] })],
  'tcp-wrong': ['line', tcp({ send: { text: hex('ping') }, receive: [{ text: hex('nothing') }] })],
  'tcp-closed': ['line', tcp({ send: { text: hex('close') }, receive: [{ text: hex('pong') }] })],
  ...Object.fromEntries(
    ['up', 'down', 'error', 'unknown', 'garbage', 'reset', 'hang'].map(
      (name) => [`grpc-${name}`, ['health', grpc({ service_name: name })]] as const,
    ),
  ),
  'grpc-authority': ['health', grpc({ authority: 'checked.example' })],
  passive: ['web', http({ path: '/ok' })],
};

/** Clusters with a peculiar endpoint. */
function special(site: Site): Json[] {
  const { deadPort } = site;
  const web = site.upstream('web');
  const one = (name: string, endpoint: Json, check: Json, more: Json = {}): Json => ({
    ...cluster(name, [], more),
    health_checks: [check],
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [endpoint] }] },
  });
  const at = (port: number, healthCheck?: Json): Json => ({
    endpoint: { address: address(port), ...(healthCheck === undefined ? {} : { health_check_config: healthCheck }) },
  });
  return [
    one('http-dead', at(deadPort), http({ path: '/ok' })),
    one('tcp-dead', at(deadPort), tcp({})),
    one('grpc-dead', at(deadPort), grpc({}), http2Upstream),
    one('other-port', at(deadPort, { port_value: web }), http({ path: '/ok' })),
    one('other-hostname', at(web, { hostname: 'checked.example' }), http({ path: '/host' })),
    one('alt-port', at(deadPort), http({ path: '/ok' }, { alt_port: web })),
    one('unchecked', at(deadPort, { disable_active_health_check: true }), http({ path: '/ok' })),
    one('eds-ill', { ...at(web), health_status: 'UNHEALTHY' }, http({ path: '/ok' })),
    one('eds-degraded', { ...at(web), health_status: 'DEGRADED' }, http({ path: '/ok' })),
    {
      ...cluster('mixed', [web, deadPort]),
      health_checks: [http({ path: '/ok' })],
      common_lb_config: { healthy_panic_threshold: { value: 0 } },
    },
    {
      ...cluster('fresh', [web, deadPort]),
      health_checks: [http({ path: '/ok' })],
      common_lb_config: { ignore_new_hosts_until_first_hc: true },
    },
  ];
}
const specialNames = [
  ...[
    'http-dead',
    'tcp-dead',
    'grpc-dead',
    'other-port',
    'other-hostname',
    'alt-port',
    'unchecked',
    'eds-ill',
    'eds-degraded',
    'mixed',
    'fresh',
  ],
];

function bootstrap(site: Site): Json {
  const clusters = [
    ...Object.entries(checks).map(([name, [upstream, check]]) =>
      cluster(name, [site.upstream(upstream)], {
        health_checks: [check],
        common_lb_config: { healthy_panic_threshold: { value: 0 } },
        ...(name.startsWith('grpc') || name === 'http-h2' ? http2Upstream : {}),
      }),
    ),
    ...special(site),
  ];
  const routes = clusters.map(({ name }) => ({ match: { path_separated_prefix: `/${String(name)}` }, route: { cluster: name } }));
  const passive = { match: { path: '/passive' }, route: { cluster: 'passive' } };
  return {
    static_resources: {
      listeners: [listener(site, 'http', [httpConnectionManager(site, [virtualHost([passive, ...routes])])])],
      clusters,
    },
  };
}

/** The host's flags, and what the checks of the cluster count. */
function stateOf(name: string): DifferentialCase {
  return {
    name: `checks of ${name}`,
    does: [
      {
        kind: 'admin',
        path: '/clusters',
        select: (text) =>
          text
            .split('\n')
            .filter((line) => line.startsWith(`${name}::`) && line.includes('::health_flags::'))
            .map((line) => line.replaceAll(/127\.0\.0\.1:\d+/g, 'host'))
            .sort(),
      },
      {
        kind: 'admin',
        path: `/stats?filter=^cluster\\.${name}\\.(health_check|membership)`,
        select: (text) =>
          text
            .split('\n')
            .filter((line) => line !== '')
            .sort(),
      },
    ],
  };
}

export const healthChecks: DifferentialFamily = {
  name: 'health-checks',
  about: 'Active health checks over HTTP, TCP and gRPC: verdicts after the first round, flags, statistics, and what requests get then.',
  upstreams: {},
  peers: { web: httpPeer, health: grpcPeer, line: tcpPeer, garbage: garbagePeer },
  bootstrap,
  cases: [
    { name: 'time for the slowest check', does: { kind: 'pause', ms: 400 } },
    ...[...Object.keys(checks), ...specialNames].map(stateOf),
    ...['http-ok', 'http-503', 'http-degraded', 'mixed', 'eds-ill', 'eds-degraded', 'unchecked', 'http-retriable'].map(
      (name): DifferentialCase => ({ name: `request to ${name}`, does: [{ path: `/${name}` }, { path: `/${name}` }], ignoreSeen: true }),
    ),
    { name: 'a response that asks to fail the host at once', does: [{ path: '/passive' }, { path: '/passive/again' }], ignoreSeen: true },
    { ...stateOf('passive'), name: 'after such a response' },
  ],
};
