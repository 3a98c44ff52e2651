import { hostname } from 'node:os';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { MetricStore, noWorkloads, RateLimitDomains, RoleStore } from '@xebec/adapters';
import { type McpPeer, mcpPeer, mcpPeerOptions, startIdentity, type WorkloadIdentity } from '@xebec/agent';
import {
  type ConfigSource,
  createDirectorySource,
  createKubernetesApi,
  createKubernetesSource,
  createMcpSource,
  createSourceAt,
  loadKubeConfig,
  mergeSources,
  meshKinds,
} from '@xebec/config';
import { type Clock, type Logger, systemClock, systemRandom, XebecError } from '@xebec/core';
import { type DaemonSpec, type HostPort, hostPortOption } from '@xebec/daemon';
import { collections } from '@xebec/mcp';
import { Registry } from 'prom-client';
import { Dispatcher } from './dispatcher.ts';
import { serveMetrics } from './exposition.ts';
import { createMixerMetrics } from './metrics.ts';
import { emptyPolicy, policyProblemText } from './policy-compiler.ts';
import { loadPolicy } from './policy-loader.ts';
import { describePolicy } from './policy-page.ts';
import { services } from './services.ts';
import { type WatchedWorkloads, watchWorkloads } from './workloads/watch-workloads.ts';

const MIXER_GROUPS = new Set(['config.istio.io', 'rbac.istio.io']);
const DRAIN_MS = 1_000;
const MIXER_COLLECTIONS = /^istio\/(policy|rbac|config\/v1alpha2\/(adapters$|templates$|legacy\/))/;

export const mixer: DaemonSpec = {
  name: 'xebec-mixer',
  summary: 'Answers policy checks of the proxies and takes their telemetry reports.',
  defaultHttpAddr: '0.0.0.0:15014',
  options: [
    { flags: '--grpc-addr <host:port>', description: 'Check and Report', default: '0.0.0.0:9091' },
    { flags: '--prometheus-addr <host:port>', description: 'metrics that the prometheus adapter makes', default: '0.0.0.0:42422' },
    ...mcpPeerOptions,
    { flags: '--ca-addr <host:port>', description: 'citadel, which gives the certificate that --mcp-tls-addr is shown', default: '' },
    {
      flags: '--ca-token-file <file>',
      description: 'service-account token to show citadel',
      default: './var/run/secrets/tokens/istio-token',
    },
    { flags: '--ca-root-file <file>', description: "root of citadel's certificate", default: './var/run/secrets/istio/root-cert.pem' },
    { flags: '--config-dir <directory>', description: 'read configuration from YAML files there, and watch them', default: '' },
    {
      flags: '--config-source <addresses>',
      description:
        'where configuration comes from, by commas, the first wins: fs:///DIR, k8s://, git:///REPOSITORY?ref=REF&path=DIR, xds://HOST:PORT',
      default: '',
    },
    {
      flags: '--kubeconfig <file>',
      description:
        'pods, for kubernetesenv, and configuration when neither of the two is given, are of this API server; in a pod its service account is used',
      default: '',
    },
  ],
  async start({ options, logger, metrics: registry, health }) {
    const clock = systemClock;
    const random = systemRandom;
    const metrics = createMixerMetrics(registry);
    const grpcAddr = hostPortOption(options, 'grpcAddr');
    const prometheusAddr = hostPortOption(options, 'prometheusAddr');
    const identity = (options['caAddr'] ?? '') === '' ? undefined : identityFromCitadel(options, logger);
    const mcp = await mcpPeer(options, { identity: () => identity?.certificates, clock, logger });
    const sources = createSources(options, mcp, clock, logger);
    const workloads = createWorkloads(options, clock, logger);
    const adapterRegistry = new Registry();
    const store = new MetricStore(adapterRegistry, (metric) => metrics.seriesDropped.inc({ metric }));
    const dispatcher = new Dispatcher(emptyPolicy, { clock, random, logger, metrics });
    const environment = {
      clock,
      random,
      logger,
      metrics: store,
      mixerMetrics: metrics,
      workloads: workloads?.directory ?? noWorkloads,
      rateLimits: new RateLimitDomains(),
      roles: new RoleStore(),
      writeLine: (line: string) => void process.stdout.write(`${line}\n`),
    };
    const loader = loadPolicy({ sources, dispatcher, environment, metrics, clock, logger });
    health.addReadiness('sources', () => {
      const missing = sources.filter(({ synced }) => !synced).map(({ name }) => name);
      return missing.length === 0 ? undefined : `not synced: ${missing.join(', ')}`;
    });
    if (workloads !== undefined) health.addReadiness('workloads', () => (workloads.synced() ? undefined : 'the pods are not listed yet'));
    health.http.get('/debug/configz', async () => ({
      ...describePolicy(dispatcher.policy),
      problems: loader.problems().map(policyProblemText),
    }));
    const exposition = await serveMetrics(adapterRegistry, prometheusAddr).catch((cause: unknown) => {
      throw listenError('--prometheus-addr', prometheusAddr, cause);
    });
    const server = new Server({ 'grpc.keepalive_time_ms': 30_000, 'grpc.keepalive_timeout_ms': 10_000 });
    const context = {
      dispatcher,
      clock,
      random,
      logger,
      metrics,
      registry,
      workloads: environment.workloads,
      rateLimits: environment.rateLimits,
      sources,
      http: health.http,
    };
    const running = services.map((create) => create(context));
    for (const { definition, implementation } of running) server.addService(definition, implementation);
    const port = await listen(server, grpcAddr);
    logger.info({ grpcAddr: `${grpcAddr.host}:${port}` }, 'serving Check and Report');
    for (const source of sources) await source.start();
    return {
      close: async () => {
        await shutDown(server, clock);
        await Promise.all(running.map((service) => service.close?.()));
        await Promise.all(sources.map((source) => source.close()));
        await loader.close();
        mcp?.close();
        identity?.close();
        await workloads?.close();
        await exposition.close();
      },
    };
  },
};

function identityFromCitadel(options: Readonly<Record<string, string>>, logger: Logger): WorkloadIdentity {
  const identity = startIdentity({
    caAddress: options['caAddr'] ?? '',
    tokenFile: options['caTokenFile'] ?? '',
    rootFile: options['caRootFile'] ?? '',
    serverName: 'istio-citadel.istio-system.svc',
    instance: process.env['POD_NAME'] ?? hostname(),
    clock: systemClock,
    random: systemRandom,
    logger,
  });
  // A root rotation waits for this client as for every workload.
  identity.follow([]);
  return identity;
}

function createSources(
  options: Readonly<Record<string, string>>,
  mcp: McpPeer | undefined,
  clock: Clock,
  logger: Logger,
): readonly ConfigSource[] {
  const { configDir = '', configSource = '', kubeconfig = '' } = options;
  const sources: ConfigSource[] = [];
  const kubernetes = () => {
    const api = createKubernetesApi(loadKubeConfig(kubeconfig, process.env));
    return createKubernetesSource({ api, watched: meshKinds(MIXER_GROUPS), clock, random: systemRandom, logger });
  };
  const addresses = configSource.split(',').flatMap((address) => (address.trim() === '' ? [] : [address.trim()]));
  if (addresses.length > 0) {
    const wanted = collections.map(({ name }) => name).filter((name) => MIXER_COLLECTIONS.test(name));
    const at = {
      id: 'xebec-mixer',
      collections: wanted,
      defaultNamespace: 'istio-system',
      kubernetes,
      clock,
      random: systemRandom,
      logger,
    };
    sources.push(
      mergeSources(
        addresses.map((address) => createSourceAt(address, at)),
        logger,
      ),
    );
  }
  if (configDir !== '') sources.push(createDirectorySource({ directory: configDir, defaultNamespace: 'istio-system', clock, logger }));
  if (mcp !== undefined) {
    const wanted = collections.map(({ name }) => name).filter((name) => MIXER_COLLECTIONS.test(name));
    const { address, security } = mcp;
    sources.push(createMcpSource({ address, id: 'xebec-mixer', collections: wanted, clock, random: systemRandom, logger, ...security }));
  }
  if (sources.length > 0) return sources;
  return [kubernetes()];
}

/** Calls that are being answered may end; streams of proxies that log or count never do by themselves. */
function shutDown(server: Server, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.setTimeout(() => server.forceShutdown(), DRAIN_MS);
    server.tryShutdown(() => {
      cancel();
      resolve();
    });
  });
}

/** The pods of the API server that is named, that Mixer runs in, or that is the source of configuration; else none are known. */
function createWorkloads(options: Readonly<Record<string, string>>, clock: Clock, logger: Logger): WatchedWorkloads | undefined {
  const { configDir = '', configSource = '', mcpAddr = '', mcpTlsAddr = '', kubeconfig = '' } = options;
  const alone = (configDir === '' && mcpAddr === '' && mcpTlsAddr === '' && configSource === '') || configSource.includes('k8s://');
  const wanted = kubeconfig !== '' || process.env['KUBERNETES_SERVICE_HOST'] !== undefined || alone;
  if (!wanted) return undefined;
  return watchWorkloads({ api: createKubernetesApi(loadKubeConfig(kubeconfig, process.env)), clock, random: systemRandom, logger });
}

function listenError(flag: string, { host, port }: HostPort, cause: unknown): XebecError {
  return new XebecError('E_LISTEN', `${flag} ${host}:${port}: cannot listen; is another process using the port?`, { cause });
}

function listen(server: Server, address: HostPort): Promise<number> {
  const { host, port } = address;
  const target = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return new Promise((resolve, reject) =>
    server.bindAsync(target, ServerCredentials.createInsecure(), (cause, bound) => {
      if (cause === null) resolve(bound);
      else reject(listenError('--grpc-addr', address, cause));
    }),
  );
}
