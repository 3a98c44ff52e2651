import type { HealthServer } from '@xebec/daemon';
import { serviceKey } from '@xebec/model';
import type { ResourceCache } from '@xebec/xds';
import type { AdsServer } from '../ads-server.ts';
import type { Connection } from '../connection.ts';
import type { MeshState } from '../mesh-state.ts';
import { configDump } from './config-dump.ts';
import { syncStatus } from './sync-status.ts';

export interface DebugContext {
  readonly ads: AdsServer;
  readonly state: MeshState;
  readonly cache: ResourceCache;
  readonly version: string;
}

/** Istio's `/debug/*` pages, as JSON. */
export function registerDebug(http: HealthServer['http'], { ads, state, cache, version }: DebugContext): void {
  const pages: Record<string, string> = {
    syncz: 'what each proxy was sent and has accepted',
    adsz: 'connected proxies; ?push=true pushes to all',
    configz: 'configuration objects in force, and what is wrong',
    endpointz: 'endpoints by service',
    registryz: 'services',
    push_status: 'the last push',
    config_dump: "what a proxy should have, as Envoy's admin shows it; ?proxyID=name.namespace",
  };
  http.get('/debug', async () => pages);
  http.get('/debug/list', async () => Object.keys(pages));
  http.get('/debug/syncz', async () => ads.connections().map((connection) => syncStatus(connection, version)));
  http.get<{ Querystring: { push?: string } }>('/debug/adsz', async (request) => {
    if (request.query.push === 'true') ads.pushAll();
    const connections = ads.connections();
    return { totalClients: connections.length, clients: connections.map(toClient) };
  });
  http.get('/debug/configz', async () => ({ objects: state.config(), problems: state.problems() }));
  http.get('/debug/registryz', async () => state.snapshot?.services ?? []);
  http.get('/debug/endpointz', async () =>
    (state.snapshot?.services ?? []).map((service) => ({
      service: serviceKey(service),
      endpoints: state.snapshot?.allEndpoints(service) ?? [],
    })),
  );
  http.get('/debug/push_status', async () => ({
    version: state.snapshot?.version ?? '',
    pushedAt: ads.pushedAt === 0 ? '' : new Date(ads.pushedAt).toISOString(),
    unsynced: state.unsynced(),
    cache: cache.stats,
  }));
  http.get<{ Querystring: { proxyID?: string } }>('/debug/config_dump', async (request, reply) => {
    const wanted = request.query.proxyID ?? '';
    const connection = ads.connections().find((candidate) => names(candidate).includes(wanted));
    if (connection === undefined) {
      reply.code(404);
      const known = ads.connections().map((candidate) => proxyName(candidate));
      return { error: `no proxy "${wanted}" is connected; connected are: ${known.join(', ') || 'none'}` };
    }
    return configDump(connection.view);
  });
}

function proxyName(connection: Connection): string {
  return `${connection.proxy.name}.${connection.proxy.namespace}`;
}

function names(connection: Connection): readonly string[] {
  return [proxyName(connection), connection.proxy.id, connection.id];
}

function toClient(connection: Connection): object {
  return {
    connectionId: connection.id,
    connectedAt: new Date(connection.connectedAt).toISOString(),
    proxy: connection.proxy.id,
    variant: connection.variant,
    userAgent: connection.userAgent,
    labels: connection.proxy.labels,
    watches: Object.fromEntries(connection.status().map((status) => [status.typeUrl, status.resourceCount])),
  };
}
