import { fromJsonString, type Registry } from '@bufbuild/protobuf';
import { type Clusters, ClustersSchema } from '@xebec/protos/envoy/admin/v3/clusters';
import { HealthStatus } from '@xebec/protos/envoy/config/core/v3/health_check';
import type { ClusterLoadAssignment } from '@xebec/protos/envoy/config/endpoint/v3/endpoint';
import { formatTable } from '../table.ts';
import { addressOf } from './listeners.ts';

export interface EndpointRow {
  readonly endpoint: string;
  readonly status: string;
  readonly outlier: 'OK' | 'FAILED';
  readonly cluster: string;
}

export interface AssignmentRow {
  readonly name: string;
  readonly status: string;
  /** `region/zone/subzone`. */
  readonly locality: string;
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

/** Endpoints as they were discovered, healthy as the server says. */
export function assignmentRows(assignments: readonly ClusterLoadAssignment[]): AssignmentRow[] {
  return assignments
    .flatMap(({ clusterName, endpoints }) =>
      endpoints.flatMap(({ locality, lbEndpoints }) =>
        lbEndpoints.flatMap(({ healthStatus, hostIdentifier }): AssignmentRow[] => {
          if (hostIdentifier.case !== 'endpoint') return [];
          const { host, port } = addressOf(hostIdentifier.value.address);
          const status = HealthStatus[healthStatus] ?? 'UNKNOWN';
          return [
            {
              name: host.startsWith('unix://') ? host : `${host}:${port}`,
              status: status === 'UNKNOWN' ? 'HEALTHY' : status,
              locality: [locality?.region, locality?.zone, locality?.subZone]
                .map((part) => part ?? '')
                .join('/')
                .replace(/\/+$/, ''),
              cluster: clusterName,
            },
          ];
        }),
      ),
    )
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.cluster < b.cluster ? -1 : 1));
}

export function assignmentTable(rows: readonly AssignmentRow[]): string {
  return formatTable(
    ['NAME', 'STATUS', 'LOCALITY', 'CLUSTER'],
    rows.map((row) => [row.name, row.status, row.locality, row.cluster]),
  );
}

export function endpointTable(rows: readonly EndpointRow[]): string {
  return formatTable(
    ['ENDPOINT', 'STATUS', 'OUTLIER CHECK', 'CLUSTER'],
    rows.map((row) => [row.endpoint, row.status, row.outlier, row.cluster]),
  );
}
