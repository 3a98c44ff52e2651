import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { type Agent, startAgent } from '@xebec/agent';
import { silentLogger } from '@xebec/core';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { eventually, freePort, type RunningProcess, startDaemon, startProcess } from './daemon-process.ts';

/** One trust domain: a Citadel of its own that keeps its CA in a directory, and workloads with tokens that it accepts. */
export interface TrustDomainSite {
  readonly name: string;
  readonly directory: string;
  readonly rootFile: string;
  readonly citadelPort: number;
  /** Of the bundle endpoint, when one was asked for. */
  readonly bundlePort: number;
  citadel: RunningProcess;
  /** A token of a service account, as the kubelet would give it. */
  token(account: string): Promise<string>;
  stop(): Promise<void>;
  /** Starts Citadel again on the ports that it had. */
  restart(): Promise<void>;
}

export async function startTrustDomain(name: string, directory: string, flags: readonly string[] = []): Promise<TrustDomainSite> {
  mkdirSync(directory, { recursive: true });
  const keys = await generateKeyPair('ES256', { extractable: true });
  const jwks = join(directory, 'jwks.json');
  writeFileSync(jwks, JSON.stringify({ keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'k', alg: 'ES256' }] }));
  const citadelPort = await freePort();
  const httpPort = await freePort();
  const args = ['--ca-dir', join(directory, 'ca'), '--jwt-jwks', jwks, '--root-key-type', 'ecdsa-p256', '--trust-domain', name];
  const addresses = ['--grpc-addr', `127.0.0.1:${citadelPort}`, '--http-addr', `127.0.0.1:${httpPort}`];
  const start = async (...more: readonly string[]) => {
    const started = startDaemon('citadel', [...args, ...addresses, ...flags, ...more]);
    await eventually(`Citadel of ${name}`, () => (started.output().includes('"msg":"signing"') ? true : undefined)).catch(
      (error: unknown) => {
        throw new Error(`Citadel of ${name} has not started: ${started.output()}`, { cause: error });
      },
    );
    return started;
  };
  const citadel = await start();
  const site: TrustDomainSite = {
    name,
    directory,
    rootFile: join(directory, 'ca/self-signed/root-cert.pem'),
    citadelPort,
    bundlePort: Number(/"bundlePort":(\d+)/.exec(citadel.output())?.[1] ?? 0),
    citadel,
    token: (account) =>
      new SignJWT({})
        .setProtectedHeader({ alg: 'ES256', kid: 'k' })
        .setSubject(`system:serviceaccount:${account.replace('/', ':')}`)
        .setAudience('istio-ca')
        .setIssuedAt()
        .setExpirationTime('1h')
        .sign(keys.privateKey),
    stop: async () => {
      await site.citadel.stop('SIGKILL');
    },
    restart: async () => {
      site.citadel = await start(...(site.bundlePort === 0 ? [] : ['--bundle-addr', `localhost:${site.bundlePort}`]));
    },
  };
  return site;
}

/** A workload with its agent and our proxy: mutual TLS in front of an application that answers with the headers it got. */
export interface Pod {
  readonly id: string;
  readonly cwd: string;
  readonly agent: Agent;
  /** Takes mutual TLS alone. */
  readonly inboundPort: number;
  /** Plain HTTP; `/<name>` goes over mutual TLS to the peer of that name. */
  readonly outboundPort: number;
  readonly workloadSocket: string;
  stop(): Promise<void>;
}

export interface PodOptions {
  readonly site: TrustDomainSite;
  /** `namespace/account`. */
  readonly account: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Where and whom outbound requests go to. */
  readonly peers?: Readonly<Record<string, { readonly port: number; readonly id: string }>>;
  readonly inboundPort?: number;
  /** A stock Envoy's binary instead of our proxy. */
  readonly envoy?: string;
}

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';

export async function startPod({ site, account, env = {}, peers = {}, inboundPort: wanted, envoy }: PodOptions): Promise<Pod> {
  const cwd = join(site.directory, account.replace('/', '-'));
  mkdirSync(join(cwd, 'var/run/secrets/tokens'), { recursive: true });
  writeFileSync(join(cwd, 'var/run/secrets/tokens/istio-token'), await site.token(account));
  const agent = await startAgent({
    env: {
      CA_ADDR: `127.0.0.1:${site.citadelPort}`,
      CA_ROOT_CA: site.rootFile,
      TRUST_DOMAIN: site.name,
      XEBEC_STATUS_PORT: '0',
      XEBEC_ADMIN_PORT: String(await freePort()),
      ENVOY_STATUS_PORT: String(await freePort()),
      ENVOY_PROMETHEUS_PORT: String(await freePort()),
      XEBEC_PILOT_ADDR: '127.0.0.1:1',
      POD_NAME: `${account.replace('/', '-')}-1`,
      ...env,
    },
    cwd,
    role: 'sidecar',
    version: '1.32.0',
    logger: silentLogger,
  });
  const app = await startApplication();
  const [inboundPort, outboundPort] = [wanted ?? (await freePort()), await freePort()];
  const file = join(cwd, 'bootstrap.json');
  writeFileSync(file, JSON.stringify(bootstrapOf(agent.bootstrap, { inboundPort, outboundPort, appPort: portOf(app), peers })));
  const bin = join(import.meta.dirname, '../../apps/proxy/bin/xebec-proxy.ts');
  const args = ['-c', file, '--concurrency', '1', '-l', 'warning'];
  const proxy =
    envoy === undefined
      ? startProcess(process.execPath, [bin, ...args], { cwd })
      : startProcess(envoy, [...args, '--use-dynamic-base-id'], { cwd });
  const [namespace, name] = account.split('/');
  await eventually(`the proxy of ${account}`, async () => {
    const response = await fetch(`http://127.0.0.1:${outboundPort}/healthz`);
    return response.status === 200 ? true : undefined;
  }).catch((error: unknown) => {
    throw new Error(`the proxy of ${account} has not started: ${proxy.output()}`, { cause: error });
  });
  return {
    id: `spiffe://${site.name}/ns/${namespace}/sa/${name}`,
    cwd,
    agent,
    inboundPort,
    outboundPort,
    workloadSocket: join(cwd, 'var/run/secrets/workload-spiffe-uds/workload-api.sock'),
    stop: async () => {
      await proxy.stop('SIGKILL');
      await agent.close();
      app.closeAllConnections();
      await new Promise((resolve) => app.close(resolve));
    },
  };
}

async function startApplication(): Promise<Server> {
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(request.headers));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** The agent's bootstrap with static listeners and clusters whose secrets come from the agent. */
function bootstrapOf(
  bootstrap: Record<string, unknown>,
  pod: { inboundPort: number; outboundPort: number; appPort: number; peers: NonNullable<PodOptions['peers']> },
): object {
  const source = {
    resource_api_version: 'V3',
    api_config_source: { api_type: 'GRPC', transport_api_version: 'V3', grpc_services: [{ envoy_grpc: { cluster_name: 'sds-grpc' } }] },
  };
  const own = { tls_certificate_sds_secret_configs: [{ name: 'default', sds_config: source }] };
  const validation = (id?: string) => ({
    combined_validation_context: {
      default_validation_context: id === undefined ? {} : { match_subject_alt_names: [{ exact: id }] },
      validation_context_sds_secret_config: { name: 'ROOTCA', sds_config: source },
    },
  });
  const address = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } });
  const http = (routes: readonly object[], more: object = {}) => ({
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
      stat_prefix: 'x',
      ...more,
      route_config: { name: 'x', virtual_hosts: [{ name: 'x', domains: ['*'], routes }] },
      http_filters: [
        {
          name: 'envoy.filters.http.router',
          typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
        },
      ],
    },
  });
  const cluster = (name: string, port: number, more: object = {}) => ({
    name,
    type: 'STATIC',
    connect_timeout: '2s',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }] },
    ...more,
  });
  const inbound = {
    name: 'inbound',
    address: address(pod.inboundPort),
    filter_chains: [
      {
        transport_socket: {
          name: 'envoy.transport_sockets.tls',
          typed_config: {
            '@type': `${TLS}.DownstreamTlsContext`,
            require_client_certificate: true,
            common_tls_context: { ...own, ...validation(), alpn_protocols: ['h2', 'http/1.1'] },
          },
        },
        filters: [
          http([{ match: { prefix: '/' }, route: { cluster: 'app' } }], {
            forward_client_cert_details: 'SANITIZE_SET',
            set_current_client_cert_details: { uri: true },
          }),
        ],
      },
    ],
  };
  const outboundRoutes = [
    { match: { path: '/healthz' }, direct_response: { status: 200 } },
    ...Object.keys(pod.peers).map((name) => ({ match: { prefix: `/${name}` }, route: { cluster: name } })),
  ];
  const outbound = { name: 'outbound', address: address(pod.outboundPort), filter_chains: [{ filters: [http(outboundRoutes)] }] };
  const peerClusters = Object.entries(pod.peers).map(([name, { port, id }]) =>
    cluster(name, port, {
      transport_socket: {
        name: 'envoy.transport_sockets.tls',
        typed_config: { '@type': `${TLS}.UpstreamTlsContext`, common_tls_context: { ...own, ...validation(id) } },
      },
    }),
  );
  const { dynamic_resources: _xds, static_resources: statics, ...rest } = bootstrap;
  const known = (name: string): object[] => {
    const list: unknown = typeof statics === 'object' && statics !== null ? Reflect.get(statics, name) : undefined;
    return Array.isArray(list) ? list : [];
  };
  return {
    ...rest,
    static_resources: {
      listeners: [inbound, outbound],
      clusters: [...known('clusters'), cluster('app', pod.appPort), ...peerClusters],
    },
  };
}
