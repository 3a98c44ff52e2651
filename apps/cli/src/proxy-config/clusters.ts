import { type Cluster, Cluster_DiscoveryType } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { formatTable } from '../table.ts';
import { configOf } from './istio-config.ts';

export interface ClusterFilter {
  readonly fqdn?: string;
  readonly port?: number;
  readonly subset?: string;
  readonly direction?: string;
}

interface NameParts {
  readonly fqdn: string;
  readonly port: string;
  readonly subset: string;
  readonly direction: string;
}

/** `outbound|9080|v1|reviews…` in its parts; other names stand for themselves. */
export function parseClusterName(name: string): NameParts {
  const [direction, port, subset, fqdn] = name.split('|');
  if (fqdn === undefined || direction === undefined || port === undefined || subset === undefined)
    return { fqdn: name, port: '-', subset: '-', direction: '-' };
  return { fqdn: fqdn === '' ? '' : fqdn, port, subset: subset === '' ? '-' : subset, direction };
}

export function selectClusters(clusters: readonly Cluster[], filter: ClusterFilter): Cluster[] {
  return clusters.filter(({ name }) => {
    const parts = parseClusterName(name);
    return (
      (filter.fqdn === undefined || parts.fqdn.includes(filter.fqdn)) &&
      (filter.port === undefined || parts.port === String(filter.port)) &&
      (filter.subset === undefined || parts.subset === filter.subset) &&
      (filter.direction === undefined || parts.direction === filter.direction)
    );
  });
}

function typeOf(cluster: Cluster): string {
  if (cluster.clusterDiscoveryType.case === 'type') return Cluster_DiscoveryType[cluster.clusterDiscoveryType.value] ?? '-';
  return cluster.clusterDiscoveryType.case === 'clusterType' ? cluster.clusterDiscoveryType.value.name : 'STATIC';
}

export function clusterTable(clusters: readonly Cluster[]): string {
  const rows = clusters.map((cluster) => {
    const { fqdn, port, subset, direction } = parseClusterName(cluster.name);
    return [fqdn, port, subset, direction, typeOf(cluster), configOf(cluster.metadata)];
  });
  rows.sort((a, b) => compare(a[0], b[0]) || Number(a[1]) - Number(b[1]) || compare(a[2], b[2]));
  return formatTable(['SERVICE FQDN', 'PORT', 'SUBSET', 'DIRECTION', 'TYPE', 'DESTINATION RULE'], rows);
}

function compare(a = '', b = ''): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
