import { createServer, type RequestListener, type Server } from 'node:http';
import { silentLogger } from '@xebec/core';
import { afterEach, describe, expect, it } from 'vitest';
import { parseAppProbes } from './app-probes.ts';
import { goDurationMs } from './go-duration.ts';
import { httpCall } from './http-get.ts';
import { parsePodInfo, readNode } from './node-metadata.ts';
import { adminReadiness } from './readiness.ts';
import { createStatusServer, type StatusServer, type StatusServerOptions } from './status-server.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

async function serve(handler: RequestListener): Promise<number> {
  const server: Server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({ close: () => server.closeAllConnections() ?? server.close() });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function status(overrides: Partial<StatusServerOptions>): Promise<StatusServer> {
  const server = await createStatusServer({
    host: '127.0.0.1',
    port: 0,
    readiness: async () => undefined,
    proxyStatsUrl: 'http://127.0.0.1:1/stats/prometheus',
    agentMetrics: () => 'agent_metric 1\n',
    probes: new Map(),
    appAddress: '127.0.0.1',
    onQuit: () => undefined,
    onDrain: () => undefined,
    logger: silentLogger,
    ...overrides,
  });
  open.push(server);
  return server;
}

const call = (server: StatusServer, path: string, method = 'GET') =>
  httpCall(`http://127.0.0.1:${server.port}${path}`, { method, timeoutMs: 5000, headers: { 'user-agent': 'kube-probe/1.34' } });

describe('status server', () => {
  it('is ready only when configuration came and the data plane is live', async () => {
    let stats = '';
    let live = false;
    const admin = await serve((request, response) => {
      if (request.url?.startsWith('/stats') === true) response.end(stats);
      else response.writeHead(live ? 200 : 503).end(live ? 'LIVE\n' : 'PRE_INITIALIZING\n');
    });
    const server = await status({ readiness: adminReadiness(`http://127.0.0.1:${admin}`) });
    const text = async () => (await call(server, '/healthz/ready')).body;
    expect(await text()).toBe(
      'Envoy proxy is NOT ready: config not received from Pilot (is Pilot running?): cds updates: 0 successful, 0 rejected; lds updates: 0 successful, 0 rejected\n',
    );
    stats = 'cluster_manager.cds.update_success: 1\nlistener_manager.lds.update_success: 0\nlistener_manager.lds.update_rejected: 2\n';
    expect(await text()).toContain('but was rejected: cds updates: 1 successful, 0 rejected; lds updates: 0 successful, 2 rejected');
    stats = 'cluster_manager.cds.update_success: 1\nlistener_manager.lds.update_success: 1\nlistener_manager.workers_started: 1\n';
    expect(await text()).toContain('current state is: PRE_INITIALIZING');
    live = true;
    expect((await call(server, '/healthz/ready')).status).toBe(200);
  });
  it('merges the pages and leaves out what does not answer', async () => {
    const app = await serve((_request, response) => response.end('app_metric 2\n# EOF\n'));
    const server = await status({ appStatsUrl: `http://127.0.0.1:${app}/metrics` });
    expect((await call(server, '/stats/prometheus')).body).toBe('agent_metric 1\napp_metric 2\n');
  });
  it('speaks OpenMetrics where Prometheus reads it and the application has it', async () => {
    const app = await serve((request, response) => {
      const open = request.headers.accept?.includes('application/openmetrics-text') === true;
      response.setHeader('content-type', open ? 'application/openmetrics-text; version=1.0.0' : 'text/plain');
      response.end(open ? 'app_total 2 # {trace_id="a"} 1\n# EOF\n' : 'app_total 2\n');
    });
    const server = await status({ appStatsUrl: `http://127.0.0.1:${app}/metrics`, agentMetrics: () => 'agent_metric 1\n\n' });
    const read = (accept: string) => httpCall(`http://127.0.0.1:${server.port}/stats/prometheus`, { timeoutMs: 5000, headers: { accept } });
    const open = await read('application/openmetrics-text;version=1.0.0,text/plain;q=0.5');
    expect(open.contentType).toBe('application/openmetrics-text; version=1.0.0');
    expect(open.body).toBe('agent_metric 1\napp_total 2 # {trace_id="a"} 1\n# EOF\n');
    const plain = await read('text/plain');
    expect(plain.contentType).toContain('text/plain; version=0.0.4');
    expect(plain.body).toBe('agent_metric 1\n\napp_total 2\n');
  });
  it('does not wait longer for the application than Prometheus waits for the page', async () => {
    const app = await serve(() => undefined);
    const server = await status({ appStatsUrl: `http://127.0.0.1:${app}/metrics` });
    const headers = { 'x-prometheus-scrape-timeout-seconds': '0.2' };
    const url = `http://127.0.0.1:${server.port}/stats/prometheus`;
    // Five seconds is what the application would get otherwise: this call gives up before.
    expect((await httpCall(url, { timeoutMs: 4000, headers })).body).toBe('agent_metric 1\n');
  });
  it('replays probes with their headers, and only those it was told of', async () => {
    const seen: unknown[] = [];
    const app = await serve((request, response) => {
      seen.push([request.url, request.headers['x-probe'], request.headers['user-agent']]);
      response.writeHead(request.url === '/ok' ? 200 : 503).end();
    });
    const probes = parseAppProbes(
      JSON.stringify({
        '/app-health/app/livez': { httpGet: { path: '/ok', port: app, httpHeaders: [{ name: 'x-probe', value: '1' }] } },
        '/app-health/app/readyz': { httpGet: { path: '/bad', port: app }, timeoutSeconds: 2 },
        '/app-health/app/startupz': { tcpSocket: { port: app } },
        '/etc/passwd': { httpGet: { path: '/ok', port: app } },
      }),
    );
    const server = await status({ probes });
    const codes = await Promise.all(['livez', 'readyz', 'startupz', 'other'].map((word) => call(server, `/app-health/app/${word}`)));
    expect(codes.map((answer) => answer.status)).toEqual([200, 503, 200, 404]);
    expect(seen).toContainEqual(['/ok', '1', 'kube-probe/1.34']);
    expect((await call(server, '/etc/passwd')).status).toBe(404);
  });
  it('quits and drains on POST only', async () => {
    const events: string[] = [];
    const server = await status({ onQuit: () => events.push('quit'), onDrain: () => events.push('drain') });
    expect((await call(server, '/quitquitquit')).status).toBe(405);
    expect((await call(server, '/quitquitquit', 'POST')).status).toBe(200);
    expect((await call(server, '/drain', 'POST')).status).toBe(200);
    expect(events).toEqual(['quit', 'drain']);
  });
});

describe('node metadata', () => {
  it('reads downward-API files', () => {
    expect(parsePodInfo('app="reviews"\nnote="a \\"quoted\\"\\nline"\n\nversion="v1"')).toEqual({
      app: 'reviews',
      note: 'a "quoted"\nline',
      version: 'v1',
    });
  });
  it('forms the ID and cluster', () => {
    const env = {
      POD_NAME: 'r-1',
      POD_NAMESPACE: 'ns',
      INSTANCE_IP: '10.0.0.1',
      ISTIO_META_MESH_ID: 'm',
      ISTIO_META_POD_PORTS: '[{"containerPort":1}]',
    };
    const node = readNode('sidecar', env, '/nonexistent', '1.32.0');
    expect(node.id).toBe('sidecar~10.0.0.1~r-1.ns~ns.svc.cluster.local');
    expect(node.metadata).toMatchObject({ MESH_ID: 'm', POD_PORTS: [{ containerPort: 1 }], ISTIO_VERSION: '1.32.0' });
  });
  it('reads Go durations', () => {
    expect(goDurationMs('24h0m0s', 'SECRET_TTL')).toBe(86_400_000);
    expect(goDurationMs('500ms', 'SECRET_TTL')).toBe(500);
    expect(goDurationMs(undefined, 'SECRET_TTL')).toBeUndefined();
    expect(() => goDurationMs('a day', 'SECRET_TTL')).toThrow('a day');
  });
});
