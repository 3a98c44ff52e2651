import { CLUSTER_TYPE, ENDPOINT_TYPE, EXTENSION_TYPE, LISTENER_TYPE, ROUTE_TYPE } from '@xebec/xds';
import type { ProxyStream } from '../proxy-stream.ts';

const PREFIXES: Readonly<Record<string, string>> = {
  [CLUSTER_TYPE]: 'cluster',
  [LISTENER_TYPE]: 'listener',
  [ROUTE_TYPE]: 'route',
  [ENDPOINT_TYPE]: 'endpoint',
  [EXTENSION_TYPE]: 'extensionconfig',
};

/**
 * One entry of `/debug/syncz`: Istio's field names, and `resources` with the state and last error of each type. The streams are
 * those of one proxy: an agent may hold one for names beside the one of its data plane.
 */
export function syncStatus(streams: readonly ProxyStream[], version: string): Record<string, unknown> {
  const main = streams.find(({ connection }) => connection !== undefined) ?? streams[0];
  if (main === undefined) return {};
  const { proxy } = main;
  const entry: Record<string, unknown> = {
    cluster_id: proxy.clusterId,
    proxy: proxy.id,
    proxy_type: proxy.type,
    istio_version: String(proxy.metadata['ISTIO_VERSION'] ?? version),
    flavour: proxy.flavour,
    variant: main.identity.variant,
  };
  const resources: Record<string, unknown> = {};
  for (const status of streams.flatMap((stream) => stream.status())) {
    const prefix = PREFIXES[status.typeUrl];
    if (prefix !== undefined) {
      entry[`${prefix}_sent`] = status.sentNonce;
      entry[`${prefix}_acked`] = status.ackedNonce;
    }
    resources[status.typeUrl] = {
      state: status.state,
      sent: status.sentNonce,
      acked: status.ackedNonce,
      count: status.resourceCount,
      ...(status.sentAt === undefined ? {} : { sentTime: new Date(status.sentAt).toISOString() }),
      ...(status.lastError === undefined ? {} : { lastError: status.lastError }),
      ...(status.rejected.length === 0 ? {} : { rejected: status.rejected }),
    };
  }
  return { ...entry, resources };
}

/** Streams by proxy, in the order of their names. */
export function byProxy(streams: readonly ProxyStream[]): readonly (readonly ProxyStream[])[] {
  const proxies = new Map<string, ProxyStream[]>();
  for (const stream of streams) {
    const known = proxies.get(stream.proxy.id);
    if (known === undefined) proxies.set(stream.proxy.id, [stream]);
    else known.push(stream);
  }
  return [...proxies].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, list]) => list);
}
