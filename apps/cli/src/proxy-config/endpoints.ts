import { fromJsonString, type Registry } from '@bufbuild/protobuf';
import { type Clusters, ClustersSchema } from '@xebec/protos/envoy/admin/v3/clusters';
import { HealthStatus } from '@xebec/protos/envoy/config/core/v3/health_check';
import { formatTable } from '../table.ts';
import { addressOf } from './listeners.ts';

export interface EndpointRow {
  readonly endpoint: string;
  readonly status: string;
  readonly outlier: 'OK' | 'FAILED';
  readonly cluster: string;
}

/** Reads `/clusters?format=json`. */
export function parseClusters(json: string, registry: Registry): Clusters {
  return fromJsonString(ClustersSchema, json, { registry, ignoreUnknownFields: true });
}

export function endpointRows(clusters: Clusters): EndpointRow[] {
  return clusters.clusterStatuses
    .flatMap((cluster) =>
      cluster.hostStatuses.map((host): EndpointRow => {
        const { host: address, port } = addressOf(host.address);
        const health = host.healthStatus;
        const status = HealthStatus[health?.edsHealthStatus ?? HealthStatus.UNKNOWN] ?? 'UNKNOWN';
        return {
          endpoint: address.startsWith('unix://') ? address : `${address}:${port}`,
          status: health?.failedActiveHealthCheck === true ? 'UNHEALTHY' : status === 'UNKNOWN' ? 'HEALTHY' : status,
          outlier: health?.failedOutlierCheck === true ? 'FAILED' : 'OK',
          cluster: cluster.name,
        };
      }),
    )
    .sort((a, b) => (a.endpoint < b.endpoint ? -1 : a.endpoint > b.endpoint ? 1 : a.cluster < b.cluster ? -1 : 1));
}

export function endpointTable(rows: readonly EndpointRow[]): string {
  return formatTable(
    ['ENDPOINT', 'STATUS', 'OUTLIER CHECK', 'CLUSTER'],
    rows.map((row) => [row.endpoint, row.status, row.outlier, row.cluster]),
  );
}
