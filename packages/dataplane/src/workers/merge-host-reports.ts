import type { ClusterManager } from '../clusters/cluster-manager.ts';
import type { HostReport } from './thread.ts';

/** Puts what workers counted of hosts into the main thread's own, which carry no traffic: `/clusters` reads those. */
export function mergeHostReports(clusters: ClusterManager, reports: readonly HostReport[]): void {
  if (reports.length === 0) return;
  for (const cluster of clusters.all) {
    const { name } = cluster.config;
    for (const host of cluster.hosts) {
      const numbers = reports.flatMap((report) => report[name]?.[host.text] ?? []);
      const sum = (field: keyof (typeof numbers)[number]): number => numbers.reduce((total, each) => total + each[field], 0);
      host.activeRequests = sum('activeRequests');
      host.activeConnections = sum('activeConnections');
      host.totalConnections = sum('totalConnections');
      host.totalRequests = sum('totalRequests');
      host.successes = sum('successes');
      host.errors = sum('errors');
      host.timeouts = sum('timeouts');
      host.connectFailures = sum('connectFailures');
    }
  }
}
