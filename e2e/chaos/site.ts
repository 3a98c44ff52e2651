import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, freePort, type RunningProcess, startDaemon, startProcess } from '../src/daemon-process.ts';
import { type AdsServer, type Kind, startAdsServer } from './ads-server.ts';

const UPSTREAM = join(import.meta.dirname, 'upstream.ts');
export const upstreamNames = ['a', 'b', 'c'] as const;
export type UpstreamName = (typeof upstreamNames)[number];

/** A proxy with everything dynamic, its control plane and its upstreams, each a process or server that can be taken away. */
export interface Site {
  readonly ports: { readonly http: number; readonly https: number; readonly admin: number };
  readonly proxy: RunningProcess;
  readonly ads: AdsServer;
  readonly state: Map<Kind, readonly object[]>;
  readonly certificates: readonly Certificate[];
  upstreamPort(name: UpstreamName): number;
  startUpstream(name: UpstreamName): Promise<RunningProcess>;
  upstream(name: UpstreamName): RunningProcess;
  tell(name: UpstreamName, mode: 'well' | 'reset' | 'slow'): Promise<void>;
  /** How often the upstream has reset a connection. */
  resets(name: UpstreamName): Promise<number>;
  restartAds(): Promise<AdsServer>;
  stat(name: string): Promise<number>;
  close(): Promise<void>;
}

export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

const type = (name: string): string => `type.googleapis.com/envoy.extensions.${name}`;
const ads = { ads: {}, resource_api_version: 'V3' };

function makeCertificates(directory: string, count: number): Certificate[] {
  return Array.from({ length: count }, (_, index) => {
    const [key, certificate] = [join(directory, `${index}.key`), join(directory, `${index}.pem`)];
    const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    execFileSync('openssl', [...args, '-subj', `/CN=app-${index}.example`, '-keyout', key, '-out', certificate], { stdio: 'ignore' });
    return { certificate: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') };
  });
}

export function secretOf({ certificate, key }: Certificate): object {
  return { name: 'server', tls_certificate: { certificate_chain: { inline_string: certificate }, private_key: { inline_string: key } } };
}

function listener(name: string, port: number, tls: boolean): object {
  const route = (prefix: string, retryPolicy: object) => ({
    match: { prefix },
    route: { cluster: 'app', timeout: '8s', retry_policy: retryPolicy },
  });
  const manager = {
    '@type': type('filters.network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: name,
    http_filters: [{ name: 'router', typed_config: { '@type': type('filters.http.router.v3.Router') } }],
    route_config: {
      name: 'app',
      virtual_hosts: [
        {
          name: 'app',
          domains: ['*'],
          routes: [
            // Whatever happens to one host, another is tried.
            route('/retried', {
              retry_on: 'connect-failure,reset,retriable-status-codes',
              retriable_status_codes: [503],
              num_retries: 4,
              per_try_timeout: '1s',
              retry_back_off: { base_interval: '0.01s', max_interval: '0.1s' },
              retry_host_predicate: [
                {
                  name: 'previous_hosts',
                  typed_config: { '@type': 'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate' },
                },
              ],
              host_selection_retry_max_attempts: '5',
            }),
            // Nothing that may have reached a host is sent again.
            route('/once', {
              retry_on: 'connect-failure',
              num_retries: 4,
              retry_back_off: { base_interval: '0.01s', max_interval: '0.1s' },
            }),
          ],
        },
      ],
    },
  };
  const tlsContext = {
    '@type': type('transport_sockets.tls.v3.DownstreamTlsContext'),
    common_tls_context: { tls_certificate_sds_secret_configs: [{ name: 'server', sds_config: ads }] },
  };
  return {
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    filter_chains: [
      {
        filters: [{ name: 'http', typed_config: manager }],
        ...(tls ? { transport_socket: { name: 'tls', typed_config: tlsContext } } : {}),
      },
    ],
  };
}

export function cluster(ports: readonly number[]): object {
  const endpoint = (port: number) => ({ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } } });
  return {
    name: 'app',
    connect_timeout: '1s',
    circuit_breakers: { thresholds: [{ max_retries: 1000 }] },
    load_assignment: { cluster_name: 'app', endpoints: [{ lb_endpoints: ports.map(endpoint) }] },
  };
}

export async function startSite(): Promise<Site> {
  const directory = await mkdtemp(join(tmpdir(), 'xebec-chaos-'));
  const ports = { http: await freePort(), https: await freePort(), admin: await freePort() };
  const upstreamPorts: Record<UpstreamName, number> = { a: await freePort(), b: await freePort(), c: await freePort() };
  const certificates = makeCertificates(directory, 4);
  const [first] = certificates;
  if (first === undefined) throw new Error('no certificate');
  const state = new Map<Kind, readonly object[]>([
    ['cluster', [cluster(Object.values(upstreamPorts))]],
    ['listener', [listener('http', ports.http, false), listener('https', ports.https, true)]],
    ['secret', [secretOf(first)]],
  ]);
  let adsServer = await startAdsServer(0, state);
  const running = new Map<UpstreamName, RunningProcess>();
  const startUpstream = async (name: UpstreamName): Promise<RunningProcess> => {
    const child = startProcess(process.execPath, [UPSTREAM, String(upstreamPorts[name]), name]);
    running.set(name, child);
    await eventually(`upstream ${name}`, () => (child.output().includes('listening') ? true : undefined));
    return child;
  };
  await Promise.all(upstreamNames.map(startUpstream));
  const bootstrap = {
    node: { id: 'chaos', cluster: 'chaos' },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: ports.admin } } },
    dynamic_resources: {
      ads_config: { api_type: 'GRPC', transport_api_version: 'V3', grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }] },
      cds_config: ads,
      lds_config: ads,
    },
    static_resources: {
      clusters: [
        {
          name: 'xds',
          connect_timeout: '1s',
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': type('upstreams.http.v3.HttpProtocolOptions'),
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: {
            cluster_name: 'xds',
            endpoints: [
              { lb_endpoints: [{ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: adsServer.port } } } }] },
            ],
          },
        },
      ],
    },
  };
  const file = join(directory, 'bootstrap.json');
  await writeFile(file, JSON.stringify(bootstrap));
  const concurrency = process.env['XEBEC_CONCURRENCY'] ?? '1';
  const proxy = startDaemon('proxy', ['-c', file, '--concurrency', concurrency, '-l', 'warning']);
  const adminUrl = `http://127.0.0.1:${ports.admin}`;
  await eventually('the proxy', async () => {
    if (proxy.child.exitCode !== null) throw new Error(proxy.output());
    if (!(await (await fetch(`${adminUrl}/ready`)).text()).startsWith('LIVE')) return undefined;
    const answer = await fetch(`http://127.0.0.1:${ports.http}/once`);
    return answer.status === 200 ? true : undefined;
  });
  const upstream = (name: UpstreamName): RunningProcess => {
    const child = running.get(name);
    if (child === undefined) throw new Error(`upstream ${name} was never started`);
    return child;
  };
  return {
    ports,
    proxy,
    state,
    certificates,
    get ads() {
      return adsServer;
    },
    upstreamPort: (name) => upstreamPorts[name],
    startUpstream,
    upstream,
    async tell(name, mode) {
      await fetch(`http://127.0.0.1:${upstreamPorts[name]}/control/${mode}`);
    },
    async resets(name) {
      return Number(await (await fetch(`http://127.0.0.1:${upstreamPorts[name]}/control/resets`)).text());
    },
    async restartAds() {
      adsServer = await startAdsServer(adsServer.port, state);
      return adsServer;
    },
    async stat(name) {
      const text = await (await fetch(`${adminUrl}/stats?filter=^${name}$`)).text();
      return Number(/: (\d+)/.exec(text)?.[1] ?? Number.NaN);
    },
    async close() {
      await proxy.stop('SIGKILL');
      adsServer.stop();
      for (const child of running.values()) {
        child.child.kill('SIGCONT');
        if (child.child.exitCode === null && child.child.signalCode === null) await child.stop('SIGKILL');
      }
      await rm(directory, { recursive: true, force: true });
    },
  };
}
