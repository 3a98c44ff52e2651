import { mkdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { type Clock, type Logger, type Random, secureRandom, systemClock, XebecError } from '@xebec/core';
import { type BootstrapInput, renderBootstrap } from '@xebec/injection';
import { createAdsRelay } from './ads-relay.ts';
import { agentMetrics } from './agent-metrics.ts';
import { parseAppProbes } from './app-probes.ts';
import type { CertificateManager } from './certificate-manager.ts';
import { capturesDns, startPodDns } from './dns/pod-dns.ts';
import { goDurationMs } from './go-duration.ts';
import { openIdentity } from './identity-source.ts';
import { parseJsonObject, readNode } from './node-metadata.ts';
import { outputCertificates } from './output-certificates.ts';
import { adminReadiness } from './readiness.ts';
import { createSdsServer } from './sds-server.ts';
import { createFileSecrets } from './secrets/file-secrets.ts';
import { statsInclusion } from './stats-inclusion.ts';
import { createStatusServer } from './status-server.ts';
import { ownRoots } from './trust-store.ts';
import { startWorkloadApi, WORKLOAD_API_SOCKET, workloadApiSettings } from './workload-api/start-workload-api.ts';

export interface AgentOptions {
  readonly env: NodeJS.ProcessEnv;
  /** The container's root directory: `var/run/secrets` and `etc/istio` lie below it. */
  readonly cwd: string;
  readonly role: 'sidecar' | 'router';
  /** `node.metadata.ISTIO_VERSION`. */
  readonly version: string;
  readonly logger: Logger;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly xdsType?: 'delta' | 'sotw';
  /** Called on POST /quitquitquit and POST /drain of the status port. */
  readonly onQuit?: () => void;
  readonly onDrain?: () => void;
}

export interface Agent {
  /** Bootstrap of the data plane, in protobuf JSON. */
  readonly bootstrap: Record<string, unknown>;
  /** `http://address:port` of the data plane's admin interface, as the bootstrap has it. */
  readonly adminUrl: string;
  readonly statusPort: number;
  readonly certificates: CertificateManager;
  /** Readiness fails from now on, so that nobody sends more while the proxy still serves. */
  announceDrain(): void;
  close(): Promise<void>;
}

const XDS_SOCKET = './etc/istio/proxy/XDS';
/** What an IP address must prove to be where the pilot is reached by one. */
const PILOT_SERVER_NAME = 'istio-pilot.istio-system.svc';

/**
 * Starts everything that stands beside a proxy: certificate, SDS and ADS sockets, status port. Resolves when the sockets listen,
 * without waiting for CA or pilot: the data plane may start at once and gets its secrets and configuration as they come.
 */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { env, cwd, logger } = options;
  const clock = options.clock ?? systemClock;
  const random = options.random ?? secureRandom;
  const proxyConfig = parseJsonObject(env['PROXY_CONFIG']);
  const inCwd = (path: string) => shortest(join(cwd, path));
  const rootFile = env['CA_ROOT_CA'] ?? inCwd('var/run/secrets/istio/root-cert.pem');
  const tokenFile = env['XEBEC_TOKEN_FILE'] ?? inCwd('var/run/secrets/tokens/istio-token');
  const node = readNode(options.role, env, cwd, options.version);
  // Where pods share the host's network, each has an address of its own for the ports that would collide.
  const podAddress =
    node.metadata['INTERCEPTION_MODE'] === 'NONE' && env['XEBEC_APP_ADDRESS'] !== undefined ? env['INSTANCE_IP'] : undefined;
  const adminPort = portValue(env, 'XEBEC_ADMIN_PORT', 15000);
  const prometheusPort = portValue(env, 'ENVOY_PROMETHEUS_PORT', 15090);
  const adminUrl = `http://${podAddress ?? '127.0.0.1'}:${adminPort}`;

  const files = createFileSecrets({ clock, logger });
  const identity = await openIdentity({ env, inCwd, files, rootFile, tokenFile, instance: node.id, clock, random, logger });
  const { certificates } = identity;
  let draining = false;
  const announceDrain = (): void => {
    draining = true;
  };
  const closers: (() => void | Promise<void>)[] = [() => files.close(), () => identity.close()];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    mkdirSync(join(cwd, 'etc/istio/proxy'), { recursive: true });
    const sds = await createSdsServer({
      socketPath: inCwd(identity.socketToServe),
      manager: identity.foreign ? undefined : certificates,
      files,
      clock,
      logger,
    });
    closers.push(() => sds.close());
    const trustStream = identity.follow([sds.consumer]);
    const workloadApi = identity.foreign ? undefined : workloadApiSettings(env);
    if (workloadApi !== undefined) {
      const api = await startWorkloadApi({
        ...workloadApi,
        socketPath: workloadApi.socketPath ?? inCwd(WORKLOAD_API_SOCKET),
        podNetworks: node.metadata['INTERCEPTION_MODE'] !== 'NONE',
        certificates,
        trust: certificates.trust,
        signJwtSvid: identity.signJwtSvid,
        clock,
        logger,
      });
      closers.push(() => api.close());
    }
    const outputDirectory = textOf(env['OUTPUT_CERTS']);
    if (outputDirectory !== undefined) closers.push(outputCertificates(inCwd(outputDirectory), certificates, logger));
    const pilotAddress = textOf(proxyConfig['discoveryAddress']) ?? env['XEBEC_PILOT_ADDR'] ?? 'istio-pilot.istio-system.svc:15012';
    // 15010 is the pilot's plaintext port by contract; another one needs to be said.
    const plaintext = /:15010$/.test(pilotAddress) || env['XEBEC_PILOT_PLAINTEXT'] === 'true';
    const relay = await createAdsRelay({
      socketPath: inCwd(XDS_SOCKET),
      pilotAddress,
      serverName: env['ISTIOD_SAN'] ?? PILOT_SERVER_NAME,
      ...(plaintext ? {} : { rootFile: env['XDS_ROOT_CA'] ?? rootFile, tokenFile, moreRoots: () => ownRoots(certificates.trust) }),
      logger,
    });
    closers.push(() => relay.close());
    const ready = adminReadiness(adminUrl);
    const status = await createStatusServer({
      host: podAddress ?? '0.0.0.0',
      port: portValue(env, 'XEBEC_STATUS_PORT', 15020),
      readiness: async () => (draining ? 'draining' : await ready()),
      proxyStatsUrl: `http://${podAddress ?? '127.0.0.1'}:${prometheusPort}/stats/prometheus`,
      ...appStatsUrl(env),
      agentMetrics: () =>
        agentMetrics({
          certificates,
          clockWatch: identity.clockWatch,
          files,
          clock,
          pilotConnected: () => relay.connected(),
          trustConnected: () => trustStream?.connected(),
        }),
      secrets: () => files.states(),
      probes: parseAppProbes(env['ISTIO_KUBE_APP_PROBERS']),
      appAddress: env['XEBEC_APP_ADDRESS'] ?? env['INSTANCE_IP']?.split(',')[0] ?? '127.0.0.1',
      onQuit: () => options.onQuit?.(),
      onDrain: () => {
        draining = true;
        options.onDrain?.();
      },
      logger,
    });
    closers.push(() => status.close());
    if (capturesDns(env)) {
      const dns = await startPodDns({
        env,
        staticFile: env['XEBEC_NAME_TABLE'] ?? inCwd('etc/istio/proxy/names.json'),
        resolvConf: '/etc/resolv.conf',
        xdsSocket: inCwd(XDS_SOCKET),
        node,
        clock,
        logger,
      });
      closers.push(() => dns.close());
    }
    const bootstrap = renderBootstrap({
      // Tells the pilot that files come from a socket of their own.
      node: identity.foreign ? { ...node, metadata: { ...node.metadata, 'file-credential': 'true' } } : node,
      xdsType: options.xdsType ?? 'delta',
      xdsSocket: XDS_SOCKET,
      sdsSocket: identity.socketOfIdentity,
      ...(identity.foreign ? { sdsFilesSocket: identity.socketToServe } : {}),
      adminPort,
      statusPort: status.port,
      prometheusPort,
      readinessPort: portValue(env, 'ENVOY_STATUS_PORT', 15021),
      ...(podAddress === undefined ? {} : { adminAddress: podAddress, statusAddress: podAddress, listenAddress: podAddress }),
      ...evictionOf(node.metadata),
      stats: statsInclusion(annotationsOf(node.metadata), proxyConfig, (env['INSTANCE_IP'] ?? '127.0.0.1').split(',')),
      ...zipkinOf(proxyConfig),
    });
    return { bootstrap, adminUrl, statusPort: status.port, certificates, announceDrain, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Unix sockets end at 108 bytes, so the relative form is used where it is the shorter. */
function shortest(path: string): string {
  const other = relative(process.cwd(), path);
  return other !== '' && other.length < path.length ? other : path;
}

function portValue(env: NodeJS.ProcessEnv, name: string, fallback: number): number {
  const text = env[name];
  if (text === undefined || text === '') return fallback;
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new XebecError('E_ENV', `${name} wants a port number, but got "${text}"`);
  return port;
}

function appStatsUrl(env: NodeJS.ProcessEnv): { appStatsUrl?: string } {
  const annotations = parseJsonObject(env['ISTIO_PROMETHEUS_ANNOTATIONS']);
  if (textOf(annotations['scrape']) !== 'true') return {};
  const port = textOf(annotations['port']) ?? '80';
  const path = textOf(annotations['path']) ?? '/metrics';
  return { appStatsUrl: `http://${env['XEBEC_APP_ADDRESS'] ?? '127.0.0.1'}:${port}${path.startsWith('/') ? path : `/${path}`}` };
}

/** The pod's annotation for how long idle series of metrics stay. */
function evictionOf(metadata: Readonly<Record<string, unknown>>): Pick<BootstrapInput, 'statsEvictionMs'> {
  const name = 'sidecar.istio.io/statsEvictionInterval';
  const statsEvictionMs = goDurationMs(textOf(annotationsOf(metadata)[name]), name);
  return statsEvictionMs === undefined ? {} : { statsEvictionMs };
}

function annotationsOf({ ANNOTATIONS }: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return typeof ANNOTATIONS === 'object' && ANNOTATIONS !== null ? { ...ANNOTATIONS } : {};
}

function zipkinOf(proxyConfig: Readonly<Record<string, unknown>>): Pick<BootstrapInput, 'zipkin'> {
  const tracing = proxyConfig['tracing'];
  const zipkin = typeof tracing === 'object' && tracing !== null && 'zipkin' in tracing ? tracing.zipkin : undefined;
  const address = typeof zipkin === 'object' && zipkin !== null && 'address' in zipkin ? textOf(zipkin.address) : undefined;
  const match = /^(.+):(\d{1,5})$/.exec(address ?? '');
  return match?.[1] === undefined ? {} : { zipkin: { host: match[1], port: Number(match[2]) } };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
