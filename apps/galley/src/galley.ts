import { Server, ServerCredentials } from '@grpc/grpc-js';
import {
  type ConfigSource,
  createDirectorySource,
  createKubernetesApi,
  createKubernetesSource,
  type KubernetesApi,
  loadKubeConfig,
  meshKinds,
  platformKinds,
} from '@xebec/config';
import { type Clock, type Logger, systemClock, systemRandom, XebecError } from '@xebec/core';
import { type DaemonSpec, hostPortOption } from '@xebec/daemon';
import { collections, McpServer, mcpSourceService } from '@xebec/mcp';
import { createGatedSource } from './bundles/gated-source.ts';
import { createBundleMetrics } from './bundles/metrics.ts';
import { distribute } from './distribution.ts';
import { Authors } from './history/authors.ts';
import { startHistory } from './history/start.ts';
import { createGalleyMetrics } from './metrics.ts';
import { startWebhooks } from './webhook/start.ts';

export const galley: DaemonSpec = {
  name: 'xebec-galley',
  summary: "Validates the mesh's configuration and distributes it to the other components over MCP.",
  defaultHttpAddr: '0.0.0.0:15014',
  options: [
    { flags: '--mcp-addr <host:port>', description: 'MCP source', default: '0.0.0.0:9901' },
    { flags: '--config-dir <directory>', description: 'read objects from YAML files there instead of an API server', default: '' },
    { flags: '--webhook-addr <host:port>', description: 'admission webhooks; served when --ca-addr is given', default: '0.0.0.0:9443' },
    { flags: '--ca-addr <host:port>', description: 'citadel, which gives the webhooks their certificate', default: '' },
    {
      flags: '--ca-token-file <file>',
      description: 'service-account token to show citadel',
      default: './var/run/secrets/tokens/istio-token',
    },
    { flags: '--ca-root-file <file>', description: "root of citadel's certificate", default: './var/run/secrets/istio/root-cert.pem' },
    { flags: '--proxy-image <reference>', description: 'image of the sidecars that are injected', default: 'xebec/proxy:latest' },
    { flags: '--history-limit <number>', description: 'versions of the configuration that are kept; 0 for no history', default: '200' },
    {
      flags: '--history-dir <directory>',
      description: 'keep versions as files there; an API server keeps them itself',
      default: '',
    },
    { flags: '--kubeconfig <file>', description: 'how to reach the API server; in a pod its service account is used', default: '' },
  ],
  async start({ options, logger, metrics: registry, health }) {
    const clock = systemClock;
    const metrics = createGalleyMetrics(registry);
    const mcpAddr = hostPortOption(options, 'mcpAddr');
    const configDir = options['configDir'] ?? '';
    const api = configDir === '' ? createKubernetesApi(loadKubeConfig(options['kubeconfig'] ?? '', process.env)) : undefined;
    const authors = new Authors();
    const bundleMetrics = createBundleMetrics(registry);
    const stop = new AbortController();
    const recorder = startHistory({ options, api, authors, metrics: bundleMetrics, clock, signal: stop.signal, logger });
    const source = createGatedSource({
      source: createSource(configDir, api, clock, logger),
      api,
      clock,
      random: systemRandom,
      logger,
      metrics: bundleMetrics,
      record: async (version) => recorder?.record(version),
      onStart: async (objects, members) => recorder?.catchUp(objects, members),
    });
    const mcp = new McpServer(
      collections.map(({ name }) => name),
      logger,
      {
        onClients: (count) => metrics.clients.set(count),
        onAnswer: (collection, meaning) => (meaning === 'ack' ? metrics.acks : metrics.nacks).inc({ collection }),
      },
    );
    const distribution = distribute(source, mcp, metrics, clock);
    health.addReadiness('source', () => (source.synced ? undefined : `not synced: ${source.name}`));
    health.http.get('/debug/configz', async () => ({ objects: source.list(), problems: source.problems() }));
    health.http.get('/debug/bundlez', async () => source.bundles());
    health.http.get('/debug/mcpz', async () => mcp.clients());

    const server = new Server({ 'grpc.keepalive_time_ms': 30_000, 'grpc.keepalive_timeout_ms': 10_000 });
    server.addService(mcpSourceService, mcp.implementation());
    await listen(server, mcpAddr.host, mcpAddr.port);
    logger.info({ mcpAddr: options['mcpAddr'] }, 'serving MCP');
    const webhooks =
      api === undefined || (options['caAddr'] ?? '') === ''
        ? undefined
        : startWebhooks({
            address: hostPortOption(options, 'webhookAddr'),
            api,
            source,
            authors,
            metrics,
            health,
            logger,
            caAddress: options['caAddr'] ?? '',
            tokenFile: options['caTokenFile'] ?? '',
            rootFile: options['caRootFile'] ?? '',
            proxyImage: options['proxyImage'] ?? '',
          });
    await source.start();
    return {
      close: async () => {
        await webhooks?.close();
        distribution.close();
        mcp.close();
        await source.close();
        stop.abort();
        await recorder?.close();
        await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
      },
    };
  },
};

function createSource(configDir: string, api: KubernetesApi | undefined, clock: Clock, logger: Logger): ConfigSource {
  if (api === undefined) return createDirectorySource({ directory: configDir, defaultNamespace: 'default', clock, logger });
  return createKubernetesSource({
    api,
    watched: [...meshKinds(), ...platformKinds(['v1/ConfigMap']).map((kind) => ({ ...kind, fieldSelector: 'metadata.name=istio' }))],
    clock,
    random: systemRandom,
    logger,
  });
}

function listen(server: Server, host: string, port: number): Promise<void> {
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return new Promise((resolve, reject) =>
    server.bindAsync(address, ServerCredentials.createInsecure(), (cause) => {
      if (cause === null) return resolve();
      reject(new XebecError('E_LISTEN', `--mcp-addr ${address}: cannot listen; is another process using the port?`, { cause }));
    }),
  );
}
