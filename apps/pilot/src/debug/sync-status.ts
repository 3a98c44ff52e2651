import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from '@xebec/xds';
import type { Connection } from '../connection.ts';

const PREFIXES: Readonly<Record<string, string>> = {
  [CLUSTER_TYPE]: 'cluster',
  [LISTENER_TYPE]: 'listener',
  [ROUTE_TYPE]: 'route',
  [ENDPOINT_TYPE]: 'endpoint',
};

/** One entry of `/debug/syncz`: Istio's field names, and `resources` with the state and last error of each type. */
export function syncStatus(connection: Connection, version: string): Record<string, unknown> {
  const { proxy } = connection;
  const entry: Record<string, unknown> = {
    cluster_id: proxy.clusterId,
    proxy: `${proxy.name}.${proxy.namespace}`,
    proxy_type: proxy.type,
    istio_version: String(proxy.metadata['ISTIO_VERSION'] ?? version),
    flavour: proxy.flavour,
    variant: connection.variant,
  };
  const resources: Record<string, unknown> = {};
  for (const status of connection.status()) {
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
    };
  }
  return { ...entry, resources };
}
