import { mkdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { type Clock, type Logger, type Random, secureRandom, systemClock, XebecError } from '@xebec/core';
import { KEY_TYPES, type KeyType } from '@xebec/identity';
import { type BootstrapInput, renderBootstrap } from '@xebec/injection';
import { createAdsRelay } from './ads-relay.ts';
import { parseAppProbes } from './app-probes.ts';
import { certificateClient } from './certificate-client.ts';
import { type CertificateManager, createCertificateManager } from './certificate-manager.ts';
import { capturesDns, startPodDns } from './dns/pod-dns.ts';
import { goDurationMs } from './go-duration.ts';
import { parseJsonObject, readNode } from './node-metadata.ts';
import { adminReadiness } from './readiness.ts';
import { createSdsServer } from './sds-server.ts';
import { createStatusServer } from './status-server.ts';

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
const SDS_SOCKET = './var/run/secrets/workload-spiffe-uds/socket';
/** What an IP address must prove to be where the CA or the pilot is reached by one. */
const CA_SERVER_NAME = 'istio-citadel.istio-system.svc';
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

  const certificates = createCertificateManager({
    signCsr: certificateClient({
      caAddress: env['CA_ADDR'] ?? 'istio-citadel.istio-system.svc:8060',
      tokenFile,
      rootFile,
      serverName: env['CA_SAN'] ?? CA_SERVER_NAME,
      ...(env['ISTIO_META_CLUSTER_ID'] === undefined ? {} : { clusterId: env['ISTIO_META_CLUSTER_ID'] }),
    }),
    keyType: keyTypeOf(env),
    ttlMs: goDurationMs(env['SECRET_TTL'], 'SECRET_TTL') ?? 24 * 3_600_000,
    clock,
    random,
    logger,
  });
  let draining = false;
  const announceDrain = (): void => {
    draining = true;
  };
  const closers: (() => void | Promise<void>)[] = [() => certificates.close()];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    for (const directory of ['etc/istio/proxy', 'var/run/secrets/workload-spiffe-uds'])
      mkdirSync(join(cwd, directory), { recursive: true });
    const sds = await createSdsServer({ socketPath: inCwd(SDS_SOCKET), manager: certificates, logger });
    closers.push(() => sds.close());
    const pilotAddress = textOf(proxyConfig['discoveryAddress']) ?? env['XEBEC_PILOT_ADDR'] ?? 'istio-pilot.istio-system.svc:15012';
    // 15010 is the pilot's plaintext port by contract; another one needs to be said.
    const plaintext = /:15010$/.test(pilotAddress) || env['XEBEC_PILOT_PLAINTEXT'] === 'true';
    const relay = await createAdsRelay({
      socketPath: inCwd(XDS_SOCKET),
      pilotAddress,
      serverName: env['ISTIOD_SAN'] ?? PILOT_SERVER_NAME,
      ...(plaintext ? {} : { rootFile: env['XDS_ROOT_CA'] ?? rootFile, tokenFile }),
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
      agentMetrics: () => agentMetrics(certificates, relay.connected(), clock),
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
      node,
      xdsType: options.xdsType ?? 'delta',
      xdsSocket: XDS_SOCKET,
      sdsSocket: SDS_SOCKET,
      adminPort,
      statusPort: status.port,
      prometheusPort,
      readinessPort: portValue(env, 'ENVOY_STATUS_PORT', 15021),
      ...(podAddress === undefined ? {} : { adminAddress: podAddress, statusAddress: podAddress, listenAddress: podAddress }),
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

function keyTypeOf(env: NodeJS.ProcessEnv): KeyType {
  const text = env['XEBEC_KEY_TYPE'] ?? (env['ECC_CURVE'] === 'P384' ? 'ecdsa-p384' : 'ecdsa-p256');
  const found = KEY_TYPES.find((type) => type === text);
  if (found === undefined) throw new XebecError('E_ENV', `XEBEC_KEY_TYPE wants one of ${KEY_TYPES.join(', ')}, but got "${text}"`);
  return found;
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

function agentMetrics(certificates: CertificateManager, connected: boolean, clock: Clock): string {
  const lines = ['# TYPE istio_agent_pilot_connected gauge', `istio_agent_pilot_connected ${connected ? 1 : 0}`];
  const certificate = certificates.current();
  if (certificate !== undefined) {
    const seconds = (certificate.notAfter - clock.now()) / 1000;
    lines.push('# TYPE istio_agent_cert_expiry_seconds gauge', `istio_agent_cert_expiry_seconds{resource_name="default"} ${seconds}`);
  }
  return `${lines.join('\n')}\n`;
}
