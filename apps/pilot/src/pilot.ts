import { readFile } from 'node:fs/promises';
import { availableParallelism, hostname } from 'node:os';
import { Metadata, Server, ServerCredentials } from '@grpc/grpc-js';
import { mcpPeer, mcpPeerOptions, ownRoots, serverCredentials, startIdentity, type WorkloadIdentity } from '@xebec/agent';
import { configSourceAddresses, createKubernetesApi, type KubernetesApi, loadKubeConfig } from '@xebec/config';
import { errorText, systemClock, systemRandom, XebecError } from '@xebec/core';
import { type DaemonContext, type DaemonSpec, type HostPort, hostPortOption, version } from '@xebec/daemon';
import { scatteredMessages } from '@xebec/rpc';
import { generateExtensionConfigs } from '@xebec/translate';
import { type AdsServer, adsService } from './ads-server.ts';
import { assemble } from './assembly.ts';
import { type Authenticate, type Caller, createAuthenticator, trustEveryone } from './authenticate.ts';
import { certificateRelayService, createCertificateRelay } from './certificate-relay.ts';
import { registerDebug } from './debug/routes.ts';
import { MeshConfigFile } from './mesh-config-file.ts';
import { createPilotMetrics } from './metrics.ts';
import { type PilotSettings, parseDurationMs, readSettings } from './settings.ts';
import { createSources } from './sources.ts';

const REGISTRIES = new Set(['Kubernetes']);

export const pilot: DaemonSpec = {
  name: 'xebec-pilot',
  summary: "The mesh's xDS server: turns services and configuration into what each proxy needs.",
  defaultHttpAddr: '0.0.0.0:15014',
  options: [
    { flags: '--grpc-addr <host:port>', description: 'xDS in plaintext', default: '0.0.0.0:15010' },
    {
      flags: '--secure-grpc-addr <host:port>',
      description: 'xDS and certificate requests over TLS; served when --ca-addr is given',
      default: '0.0.0.0:15012',
    },
    { flags: '--config-dir <directory>', description: 'read configuration from YAML files there, and watch them', default: '' },
    { flags: '--registries [names]', description: 'where services come from: Kubernetes, or empty for none', default: 'Kubernetes' },
    ...mcpPeerOptions,
    { flags: '--kubeconfig <file>', description: 'how to reach the API server; in a pod its service account is used', default: '' },
    { flags: '--mesh-config <file>', description: 'MeshConfig; followed while it runs', default: '' },
    { flags: '--ca-addr <host:port>', description: 'citadel, which gives this server its certificate', default: '' },
    {
      flags: '--ca-token-file <file>',
      description: 'service-account token to show citadel',
      default: './var/run/secrets/tokens/istio-token',
    },
    { flags: '--ca-root-file <file>', description: "root of citadel's certificate", default: './var/run/secrets/istio/root-cert.pem' },
    { flags: '--keepalive-interval <duration>', description: 'time between pings on an idle connection', default: '30s' },
    { flags: '--keepalive-timeout <duration>', description: 'how long a ping may go unanswered', default: '10s' },
    {
      flags: '--keepalive-max-server-connection-age <duration>',
      description: 'age at which a connection is closed, so that proxies spread over replicas; 0 for never',
      default: '30m',
    },
    { flags: '--trust-domain <name>', description: 'trust domain of client certificates', default: 'cluster.local' },
    { flags: '--domain <name>', description: 'DNS domain of the cluster', default: 'cluster.local' },
  ],
  async start(context) {
    const { options, logger, metrics: registry, health } = context;
    const clock = systemClock;
    const settings = readSettings(process.env, availableParallelism());
    const metrics = createPilotMetrics(registry);
    metrics.info.set({ version: version() }, 1);
    const registries = listOption(options['registries']);
    for (const name of registries) {
      if (!REGISTRIES.has(name)) throw new XebecError('E_FLAG', `--registries knows Kubernetes and nothing else, but got "${name}"`);
    }
    const grpcAddr = hostPortOption(options, 'grpcAddr');
    const keepalive = readKeepalive(options);
    const kubernetes = registries.includes('Kubernetes')
      ? createKubernetesApi(loadKubeConfig(options['kubeconfig'] ?? '', process.env))
      : undefined;
    const meshFile =
      (options['meshConfig'] ?? '') === '' ? undefined : new MeshConfigFile(options['meshConfig'] ?? '', process.env, clock, logger);
    const mesh = await meshFile?.read();
    const identity = (options['caAddr'] ?? '') === '' ? undefined : identityFromCitadel(context);
    const mcp = await mcpPeer(options, { identity: () => identity?.certificates, clock, logger });
    const sources = createSources({
      configDir: options['configDir'] ?? '',
      mcp,
      configSources: configSourceAddresses(mesh?.configSources),
      kubernetes,
      clock,
      logger,
    });
    let secure: SecureServer | undefined;
    const assembly = assemble({
      sources,
      domain: options['domain'] ?? 'cluster.local',
      mesh,
      kubernetes,
      settings,
      metrics,
      registry,
      clock,
      random: systemRandom,
      logger,
      ownRoots: () => secure?.rootPem() ?? [],
      extensions: generateExtensionConfigs,
    });
    const { ads, state } = assembly;
    meshFile?.watch((mesh) => state.useMesh(mesh));
    health.addReadiness('sources', () => (state.snapshot === undefined ? `not synced: ${state.unsynced().join(', ')}` : undefined));

    const plaintext = createGrpcServer(settings, keepalive);
    plaintext.addService(adsService, ads.implementation(trustEveryone));
    const bound = await listen(plaintext, grpcAddr, ServerCredentials.createInsecure(), 'grpcAddr');
    logger.info({ grpcAddr: `${grpcAddr.host}:${bound}` }, 'serving xDS');
    if (identity !== undefined) secure = serveSecurely(context, identity, ads, kubernetes, () => createGrpcServer(settings, keepalive));
    registerDebug(health.http, assembly.pages, {
      authenticate: async (token) => secure?.byToken(token),
      rules: () => ({
        rootNamespace: state.snapshot?.rootNamespace ?? 'istio-system',
        allowedNamespaces: settings.debugNamespaces,
      }),
    });
    await assembly.start();
    return {
      close: async () => {
        meshFile?.close();
        await assembly.close();
        mcp?.close();
        await Promise.all([shutdown(plaintext), secure?.close()]);
      },
    };
  },
};

const CA_SERVER_NAME = 'istio-citadel.istio-system.svc';

interface SecureServer {
  /** Roots of this server's certificate, PEM; none until it has one. */
  rootPem(): readonly string[];
  /** Who stands behind a bearer token; undefined when it is not good. */
  byToken(token: string): Promise<Caller | undefined>;
  close(): Promise<void>;
}

/** This server's certificate, by which it also shows itself at galley. */
function identityFromCitadel({ options, logger }: DaemonContext): WorkloadIdentity {
  return startIdentity({
    caAddress: options['caAddr'] ?? '',
    tokenFile: options['caTokenFile'] ?? '',
    rootFile: options['caRootFile'] ?? '',
    serverName: CA_SERVER_NAME,
    instance: process.env['POD_NAME'] ?? hostname(),
    clock: systemClock,
    random: systemRandom,
    logger,
  });
}

/** The TLS listener: it opens as soon as citadel has given a certificate, and the rest of pilot does not wait for that. */
function serveSecurely(
  { options, logger, health }: DaemonContext,
  identity: WorkloadIdentity,
  ads: AdsServer,
  kubernetes: KubernetesApi | undefined,
  createServer: () => Server,
): SecureServer {
  const address = hostPortOption(options, 'secureGrpcAddr');
  const { certificates } = identity;
  // A root rotation waits for this server as for every workload.
  identity.follow([]);
  const trustDomain = options['trustDomain'] ?? 'cluster.local';
  const authenticate = createAuthenticator({ kubernetes, certificates, trustDomain, clock: systemClock });
  const relay = createCertificateRelay({
    caAddress: options['caAddr'] ?? '',
    serverName: CA_SERVER_NAME,
    // The trust store knows a new root before the file does.
    roots: async () =>
      Buffer.concat([...ownRoots(certificates.trust).map((pem) => Buffer.from(pem)), await readFile(options['caRootFile'] ?? '')]),
    logger,
  });
  const server = createServer();
  server.addService(adsService, ads.implementation(authenticate));
  server.addService(certificateRelayService, relay.implementation);
  let missing: string | undefined = 'no certificate yet';
  health.addReadiness('secure-grpc', () =>
    missing === undefined ? undefined : `${missing}: ${certificates.lastError() ?? 'asking citadel'}`,
  );
  certificates
    .ready()
    .then(() => listen(server, address, serverCredentials(certificates), 'secureGrpcAddr'))
    .then(
      (bound) => {
        missing = undefined;
        logger.info({ secureGrpcAddr: `${address.host}:${bound}` }, 'serving xDS over TLS');
      },
      (error: unknown) => {
        missing = errorText(error);
        logger.error({ code: error instanceof XebecError ? error.code : 'E_LISTEN' }, missing);
      },
    );
  return {
    rootPem: () => ownRoots(certificates.trust),
    byToken: (token) => callerOfToken(authenticate, token),
    close: async () => {
      identity.close();
      relay.close();
      await shutdown(server);
    },
  };
}

function shutdown(server: Server): Promise<void> {
  return new Promise((resolve) => server.tryShutdown(() => resolve()));
}

function listOption(text: string | undefined): readonly string[] {
  // Commander gives `true` for an optional value that was left out.
  if (text === undefined || text === 'true') return [];
  return text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

async function callerOfToken(authenticate: Authenticate, token: string): Promise<Caller | undefined> {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  return authenticate({ metadata, getAuthContext: () => ({}) }).catch(() => undefined);
}

interface Keepalive {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** 0: connections live as long as they like. */
  readonly maxAgeMs: number;
}

function readKeepalive(options: Readonly<Record<string, string>>): Keepalive {
  const read = (name: string, flag: string) => {
    const value = parseDurationMs(options[name] ?? '');
    if (value === undefined)
      throw new XebecError('E_FLAG', `${flag} takes a duration such as 30s or 10m, but got "${options[name] ?? ''}"`);
    return value;
  };
  return {
    intervalMs: read('keepaliveInterval', '--keepalive-interval'),
    timeoutMs: read('keepaliveTimeout', '--keepalive-timeout'),
    maxAgeMs: read('keepaliveMaxServerConnectionAge', '--keepalive-max-server-connection-age'),
  };
}

/** What streams of a connection that has reached its age get to end by themselves. */
const AGE_GRACE_MS = 10_000;

function createGrpcServer(settings: PilotSettings, keepalive: Keepalive): Server {
  return new Server({
    'grpc.keepalive_time_ms': keepalive.intervalMs,
    'grpc.keepalive_timeout_ms': keepalive.timeoutMs,
    'grpc.keepalive_permit_without_calls': 1,
    ...(keepalive.maxAgeMs === 0
      ? {}
      : { 'grpc.max_connection_age_ms': keepalive.maxAgeMs, 'grpc.max_connection_age_grace_ms': AGE_GRACE_MS }),
    'grpc.max_concurrent_streams': settings.maxStreams,
    'grpc.max_receive_message_length': settings.maxReceiveBytes,
    'grpc.max_send_message_length': -1,
    interceptors: [scatteredMessages],
  });
}

function listen(server: Server, { host, port }: HostPort, credentials: ServerCredentials, flag: string): Promise<number> {
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return new Promise((resolve, reject) =>
    server.bindAsync(address, credentials, (error, bound) => {
      if (error === null) return resolve(bound);
      const name = `--${flag.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
      reject(new XebecError('E_LISTEN', `${name} ${address}: cannot listen; is another process using the port?`, { cause: error }));
    }),
  );
}
