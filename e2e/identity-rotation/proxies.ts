import { writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { eventually, freePort, type RunningProcess, requiredPeer, startDaemon, startProcess } from '../src/daemon-process.ts';

export type Kind = 'xebec' | 'envoy';

/** A proxy beside an agent: its SDS socket, and where it listens. */
export interface MeshProxy {
  readonly name: string;
  readonly port: number;
  /** The counters whose name ends so, summed up. */
  stat(suffix: string): Promise<number>;
  close(): Promise<void>;
}

const address = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } });
const typed = (name: string, type: string, value: object = {}) => ({
  name,
  typed_config: { '@type': `type.googleapis.com/${type}`, ...value },
});

function secrets(peer: string) {
  const source = {
    resource_api_version: 'V3',
    initial_fetch_timeout: '0s',
    api_config_source: { api_type: 'GRPC', transport_api_version: 'V3', grpc_services: [{ envoy_grpc: { cluster_name: 'sds-grpc' } }] },
  };
  return {
    tls_certificate_sds_secret_configs: [{ name: 'default', sds_config: source }],
    combined_validation_context: {
      default_validation_context: { match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: peer } }] },
      validation_context_sds_secret_config: { name: 'ROOTCA', sds_config: source },
    },
  };
}

function manager(routes: readonly object[], more: object = {}) {
  return typed(
    'envoy.filters.network.http_connection_manager',
    'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    {
      stat_prefix: 'in',
      route_config: { name: 'r', virtual_hosts: [{ name: 'all', domains: ['*'], routes }] },
      http_filters: [typed('envoy.filters.http.router', 'envoy.extensions.filters.http.router.v3.Router')],
      ...more,
    },
  );
}

function cluster(name: string, port: number, more: object = {}) {
  const endpoints = [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }];
  // As the mesh has it: a burst after a stall of this machine is no reason to refuse.
  const unlimited = { max_connections: 100_000, max_pending_requests: 100_000, max_requests: 100_000 };
  const circuit_breakers = { thresholds: [unlimited] };
  return { name, type: 'STATIC', connect_timeout: '5s', circuit_breakers, load_assignment: { cluster_name: name, endpoints }, ...more };
}

function protocol(options: object) {
  const key = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  return { typed_extension_protocol_options: { [key]: { '@type': `type.googleapis.com/${key}`, ...options } } };
}

function bootstrap(admin: number, socket: string, listener: object, clusters: readonly object[]) {
  const sds = {
    name: 'sds-grpc',
    type: 'STATIC',
    ...protocol({ explicit_http_config: { http2_protocol_options: {} } }),
    load_assignment: { cluster_name: 'sds-grpc', endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path: socket } } } }] }] },
  };
  return {
    node: { id: 'n', cluster: 'c' },
    admin: { address: address(admin) },
    static_resources: { listeners: [listener], clusters: [sds, ...clusters] },
  };
}

export interface ProxySite {
  readonly kind: Kind;
  readonly name: string;
  /** The agent's directory. */
  readonly directory: string;
  /** SPIFFE ID of the other side. */
  readonly peer: string;
  /** The server of the client's side, the application of the server's. */
  readonly upstream: number;
}

/** Takes mutual TLS from `peer` and passes on to the application, with the hash of the client's certificate in XFCC. */
export async function startServerSide(site: ProxySite): Promise<MeshProxy> {
  const tls = typed('tls', 'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', {
    require_client_certificate: true,
    common_tls_context: secrets(site.peer),
  });
  const filter = manager([{ match: { prefix: '/' }, route: { cluster: 'app' } }], { forward_client_cert_details: 'SANITIZE_SET' });
  const chains = [{ transport_socket: tls, filters: [filter] }];
  return await start(site, chains, [cluster('app', site.upstream)]);
}

/** Takes plain HTTP and passes on by mutual TLS: `/fresh` over a new connection each, everything else over ones that are kept. */
export async function startClientSide(site: ProxySite): Promise<MeshProxy> {
  const transport_socket = typed('tls', 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
    common_tls_context: secrets(site.peer),
    // A resumed session would show the certificate of before.
    max_session_keys: 0,
  });
  const fresh = { common_http_protocol_options: { max_requests_per_connection: 1 }, explicit_http_config: { http_protocol_options: {} } };
  return await start(
    site,
    [
      {
        filters: [
          manager([
            { match: { prefix: '/fresh' }, route: { cluster: 'fresh' } },
            { match: { prefix: '/' }, route: { cluster: 'kept' } },
          ]),
        ],
      },
    ],
    [cluster('kept', site.upstream, { transport_socket }), cluster('fresh', site.upstream, { transport_socket, ...protocol(fresh) })],
  );
}

async function start(site: ProxySite, filterChains: readonly object[], clusters: readonly object[]): Promise<MeshProxy> {
  const [port, admin] = [await freePort(), await freePort()];
  const listener = { name: 'in', address: address(port), filter_chains: filterChains };
  const socket = join(site.directory, 'var/run/secrets/workload-spiffe-uds/socket');
  const file = join(site.directory, 'bootstrap.json');
  writeFileSync(file, JSON.stringify(bootstrap(admin, socket, listener, clusters)));
  const args = ['-c', file, '--concurrency', '1', '-l', 'error'];
  const running: RunningProcess =
    site.kind === 'envoy'
      ? startProcess(requiredPeer('ENVOY'), [...args, '--use-dynamic-base-id', '--disable-hot-restart'])
      : startDaemon('proxy', args);
  await eventually(`${site.name} to serve`, async () => {
    if (running.child.exitCode !== null) throw new Error(`${site.name} ended: ${running.output()}`);
    return (await page(admin, '/ready')).trim() === 'LIVE' ? true : undefined;
  });
  return {
    name: site.name,
    port,
    async stat(suffix) {
      const lines = (await page(admin, '/stats')).split('\n').map((line) => line.split(': '));
      return lines.filter(([name]) => name?.endsWith(suffix)).reduce((sum, [, value]) => sum + Number(value), 0);
    },
    close: async () => void (await running.stop('SIGKILL')),
  };
}

function page(port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, timeout: 5000 }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.once('end', () => resolve(text));
    }).once('error', reject);
  });
}
