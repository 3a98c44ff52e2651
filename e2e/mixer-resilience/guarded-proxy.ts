import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { eventually, freePort, type RunningProcess, startDaemon } from '../src/daemon-process.ts';

/** A real xebec-proxy in front of an application, which asks Mixer: on one port it fails open, on the other closed. */
export interface GuardedProxy {
  readonly open: number;
  readonly closed: number;
  /** Kibibytes of resident memory. */
  memoryKb(): number;
  /** A counter of the Mixer client, both listeners together. */
  counter(name: string): Promise<number>;
  stop(): Promise<unknown>;
}

const address = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } });
const type = (name: string) => `type.googleapis.com/${name}`;
/** How long a check may take. */
export const checkTimeoutMs = 300;

function listener(name: string, port: number, failPolicy: 'FAIL_OPEN' | 'FAIL_CLOSE'): object {
  const mixer = {
    '@type': type('xebec.filters.http.mixer.v1.MixerClient'),
    check_cluster: 'mixer',
    report_cluster: 'mixer',
    fail_policy: failPolicy,
    check_timeout: `${checkTimeoutMs / 1000}s`,
    mixer_attributes: { attributes: { 'destination.service.namespace': { string_value: 'default' } } },
  };
  const manager = {
    '@type': type('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: name,
    http_filters: [
      {
        name: 'istio.metadata_exchange',
        typed_config: { '@type': type('io.istio.http.peer_metadata.Config'), downstream_discovery: [{ istio_headers: {} }] },
      },
      { name: 'xebec.filters.http.mixer', typed_config: mixer },
      { name: 'envoy.filters.http.router', typed_config: { '@type': type('envoy.extensions.filters.http.router.v3.Router') } },
    ],
    route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'app' } }] }] },
  };
  return {
    name,
    address: address(port),
    traffic_direction: 'INBOUND',
    filter_chains: [{ filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }] }],
  };
}

export async function startGuardedProxy(folder: string, app: number, mixer: number): Promise<GuardedProxy> {
  const [admin, open, closed] = [await freePort(), await freePort(), await freePort()];
  const cluster = (name: string, port: number, more: object = {}) => ({
    name,
    connect_timeout: '1s',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }] },
    ...more,
  });
  const options = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  const http2 = {
    typed_extension_protocol_options: { [options]: { '@type': type(options), explicit_http_config: { http2_protocol_options: {} } } },
  };
  const bootstrap = {
    node: {
      id: 'sidecar~127.0.0.1~app-1.default~default.svc.cluster.local',
      cluster: 'app',
      metadata: { NAME: 'app-1', NAMESPACE: 'default' },
    },
    admin: { address: address(admin) },
    static_resources: {
      listeners: [listener('open', open, 'FAIL_OPEN'), listener('closed', closed, 'FAIL_CLOSE')],
      clusters: [cluster('app', app), cluster('mixer', mixer, http2)],
    },
  };
  const file = join(folder, 'bootstrap.json');
  await writeFile(file, JSON.stringify(bootstrap));
  const daemon: RunningProcess = startDaemon('proxy', ['-c', file, '--concurrency', '1', '-l', 'error']);
  await eventually('the proxy', async () => ((await fetch(`http://127.0.0.1:${admin}/ready`)).ok ? true : undefined));
  return {
    open,
    closed,
    memoryKb: () => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${daemon.child.pid}/status`, 'utf8'))?.[1]),
    counter: async (name) => {
      const text = await (await fetch(`http://127.0.0.1:${admin}/stats?filter=http_mixer_filter.${name}$`)).text();
      return Number(/: (\d+)/.exec(text)?.[1] ?? 0);
    },
    stop: () => daemon.stop(),
  };
}

/** Sends `count` requests over `connections` connections; the statuses with how often they came, and the longest wait. */
export async function ask(
  port: number,
  count: number,
  { path = '/', connections = 10, headers = {} }: { path?: string; connections?: number; headers?: Record<string, string> } = {},
) {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const statuses = new Map<string, number>();
  const waitsMs: number[] = [];
  const one = () =>
    new Promise<void>((done) => {
      const started = performance.now();
      const end = (outcome: string): void => {
        waitsMs.push(performance.now() - started);
        statuses.set(outcome, (statuses.get(outcome) ?? 0) + 1);
        done();
      };
      request({ host: '127.0.0.1', port, path, agent, headers }, (response) => {
        response.resume();
        response.once('end', () => end(String(response.statusCode)));
      })
        .once('error', (error) => end(error.message))
        .end();
    });
  let left = count;
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (left-- > 0) await one();
    }),
  );
  agent.destroy();
  waitsMs.sort((a, b) => a - b);
  return { statuses: Object.fromEntries(statuses), medianMs: waitsMs[Math.floor(waitsMs.length / 2)] ?? 0, longestMs: waitsMs.at(-1) ?? 0 };
}
