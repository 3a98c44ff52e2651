import { hostname } from 'node:os';
import { systemClock, systemRandom } from '@xebec/core';
import { type DaemonSpec, hostPortOption } from '@xebec/daemon';
import { createSmiSource } from '@xebec/smi';
import { createGatedSource } from './bundles/gated-source.ts';
import { createBundleMetrics } from './bundles/metrics.ts';
import { distribute } from './distribution.ts';
import { Authors } from './history/authors.ts';
import { startHistory } from './history/start.ts';
import { mcpOptions, serveMcp } from './mcp-serving.ts';
import { createGalleyMetrics } from './metrics.ts';
import { alone, joinReplicas } from './replicas/replicas.ts';
import { createGalleySources } from './sources.ts';
import { startWebhooks } from './webhook/start.ts';

export const galley: DaemonSpec = {
  name: 'xebec-galley',
  summary: "Validates the mesh's configuration and distributes it to the other components over MCP.",
  defaultHttpAddr: '0.0.0.0:15014',
  options: [
    ...mcpOptions,
    { flags: '--config-dir <directory>', description: 'read objects from YAML files there instead of an API server', default: '' },
    {
      flags: '--config-source <addresses>',
      description:
        'where objects come from, by commas, the first wins: fs:///DIR, k8s://, git:///REPOSITORY?ref=REF&path=DIR, mcp://HOST:PORT, xds://HOST:PORT',
      default: '',
    },
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
    {
      flags: '--namespace <namespace>',
      description: 'where the leases are by which several galleys agree who leads',
      default: 'istio-system',
    },
    { flags: '--kubeconfig <file>', description: 'how to reach the API server; in a pod its service account is used', default: '' },
  ],
  async start({ options, logger, metrics: registry, health }) {
    const clock = systemClock;
    const metrics = createGalleyMetrics(registry);
    const sources = createGalleySources(options, clock, logger);
    const { api } = sources;
    const authors = new Authors(clock);
    const bundleMetrics = createBundleMetrics(registry);
    const stop = new AbortController();
    const namespace = options['namespace'] ?? 'istio-system';
    const replicas = api === undefined ? alone : joinReplicas({ api, id: replicaId(process.env), namespace, clock, logger });
    const history = startHistory({ options, api, authors, metrics: bundleMetrics, clock, signal: stop.signal, logger });
    const gated = createGatedSource({
      source: sources.source,
      api,
      replicas,
      clock,
      random: systemRandom,
      logger,
      metrics: bundleMetrics,
      record: async (version) => history?.record(version),
      onLead: (objects, members) => history?.lead(objects, members),
      onFollow: () => history?.follow(),
    });
    // After the gate: a bundle's SMI objects, and what they stand for, are in force together with the rest of it.
    const source = createSmiSource(gated, logger);
    const mcp = await serveMcp({ options, health, metrics, clock, logger });
    const distribution = distribute(source, mcp, metrics, clock);
    metrics.watchConflicts(() => sources.conflicts());
    process.on('SIGHUP', sources.refresh);
    health.addReadiness('source', () => (source.synced ? undefined : `not synced: ${source.name}`));
    health.http.get('/debug/configz', async () => ({ objects: source.list(), problems: source.problems() }));
    health.http.get('/debug/bundlez', async () => gated.bundles());
    health.http.get('/debug/replicaz', async () => ({ id: replicas.id, leads: replicas.leads, others: await replicas.others() }));
    health.http.get('/debug/sourcez', async () => sources.status());
    const webhooks =
      api === undefined || (options['caAddr'] ?? '') === ''
        ? undefined
        : startWebhooks({
            address: hostPortOption(options, 'webhookAddr'),
            api,
            source,
            authors,
            stalledHolderOf: (key) => gated.stalledHolderOf(key),
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
        process.off('SIGHUP', sources.refresh);
        await source.close();
        stop.abort();
        await history?.close();
        await replicas.close();
        await mcp.close();
      },
    };
  },
};

/** The pod's name, else something that no other process of this machine has; as a part of an object's name. */
function replicaId(env: NodeJS.ProcessEnv): string {
  return (env['POD_NAME'] ?? `${hostname()}-${process.pid}`).toLowerCase().replaceAll(/[^a-z0-9.-]/g, '-');
}
