import type { Cluster } from '../clusters/cluster.ts';
import type { ResourceLimits } from '../clusters/resource-limits.ts';
import type { DataplaneState } from '../dataplane.ts';

/** `/clusters` as text: one line per fact. */
export function clustersText(state: DataplaneState): string {
  let text = '';
  for (const cluster of state.clusters.all) {
    const line = (rest: string): void => {
      text += `${cluster.config.name}::${rest}\n`;
    };
    line(`observability_name::${cluster.config.statName}`);
    for (const [priority, limits] of priorities(cluster)) {
      line(`${priority}_priority::max_connections::${limits.connections.max}`);
      line(`${priority}_priority::max_pending_requests::${limits.pendingRequests.max}`);
      line(`${priority}_priority::max_requests::${limits.requests.max}`);
      line(`${priority}_priority::max_retries::${limits.retries.max}`);
    }
    line(`added_via_api::${cluster.version !== ''}`);
    for (const host of cluster.hosts) {
      const at = (rest: string): void => line(`${host.text}::${rest}`);
      at(`cx_active::${host.activeConnections}`);
      at(`cx_connect_fail::${host.connectFailures}`);
      at(`cx_total::${host.totalConnections}`);
      at(`rq_active::${host.activeRequests}`);
      at(`rq_pending_active::${host.pendingRequests}`);
      at(`rq_error::${host.errors}`);
      at(`rq_success::${host.successes}`);
      at(`rq_timeout::${host.timeouts}`);
      at(`rq_total::${host.totalRequests}`);
      at(`hostname::${host.config.hostname}`);
      at(`health_flags::${host.healthFlags}`);
      at(`weight::${host.config.weight}`);
      at(`region::${host.config.locality?.region ?? ''}`);
      at(`zone::${host.config.locality?.zone ?? ''}`);
      at(`sub_zone::${host.config.locality?.subZone ?? ''}`);
      at(`canary::${host.canary}`);
      at(`priority::${host.config.priority}`);
      at('success_rate::-1');
      at('local_origin_success_rate::-1');
    }
  }
  return text;
}

function* priorities(cluster: Cluster): Iterable<[string, ResourceLimits]> {
  yield ['default', cluster.limits];
  yield ['high', cluster.highLimits];
}

/** `/clusters?format=json`: envoy.admin.v3.Clusters. */
export function clustersJson(state: DataplaneState): object {
  return {
    cluster_statuses: [...state.clusters.all].map((cluster) => ({
      name: cluster.config.name,
      added_via_api: cluster.version !== '',
      host_statuses: [...cluster.hosts].map((host) => ({
        address:
          host.config.address.kind === 'pipe'
            ? { pipe: { path: host.config.address.path } }
            : { socket_address: { address: host.config.address.address, port_value: host.config.address.port } },
        stats: [
          { name: 'cx_connect_fail', value: String(host.connectFailures) },
          { name: 'cx_active', type: 'GAUGE', value: String(host.activeConnections) },
          { name: 'rq_error', value: String(host.errors) },
          { name: 'rq_success', value: String(host.successes) },
          { name: 'rq_total', value: String(host.totalRequests) },
          { name: 'rq_active', type: 'GAUGE', value: String(host.activeRequests) },
        ],
        health_status: {
          ...(host.active.failed ? { failed_active_health_check: true } : {}),
          ...(host.ejected ? { failed_outlier_check: true } : {}),
          ...(host.active.degraded ? { failed_active_degraded_check: true } : {}),
          ...(host.removing ? { pending_dynamic_removal: true } : {}),
          ...(host.active.pending ? { pending_active_hc: true } : {}),
          ...(host.active.excluded ? { excluded_via_immediate_hc_fail: true } : {}),
          ...(host.active.timedOut ? { active_hc_timeout: true } : {}),
          eds_health_status: host.config.eds === 'unknown' ? 'HEALTHY' : host.config.eds.toUpperCase(),
        },
        weight: host.config.weight,
        ...(host.config.hostname === '' ? {} : { hostname: host.config.hostname }),
        ...(host.config.priority === 0 ? {} : { priority: host.config.priority }),
        locality:
          host.config.locality === undefined
            ? {}
            : { region: host.config.locality.region, zone: host.config.locality.zone, sub_zone: host.config.locality.subZone },
      })),
      circuit_breakers: {
        thresholds: [...priorities(cluster)].map(([priority, limits]) => ({
          priority: priority.toUpperCase(),
          max_connections: limits.connections.max,
          max_pending_requests: limits.pendingRequests.max,
          max_requests: limits.requests.max,
          max_retries: limits.retries.max,
        })),
      },
      observability_name: cluster.config.statName,
      ...(cluster.config.discovery === 'eds' ? { eds_service_name: cluster.config.proto.edsClusterConfig?.serviceName ?? '' } : {}),
    })),
  };
}
