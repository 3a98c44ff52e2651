import type { Cluster } from '../clusters/cluster.ts';
import type { Host } from '../clusters/host.ts';
import type { ResourceLimits } from '../clusters/resource-limits.ts';
import type { DataplaneState } from '../dataplane-state.ts';

/** `/clusters` as text: one line per fact, of clusters whose names contain a match. */
export function clustersText(state: DataplaneState, filter?: RegExp): string {
  let text = '';
  for (const cluster of chosen(state, filter)) {
    const line = (rest: string): void => {
      text += `${cluster.config.name}::${rest}\n`;
    };
    line(`observability_name::${cluster.config.statName}`);
    // Envoy shows means of success rates here; ours are not kept once ejections are decided.
    if (cluster.outliers !== undefined) for (const rate of outlierRates) line(`outlier::${rate}::-1`);
    for (const [priority, limits] of priorities(cluster)) {
      line(`${priority}_priority::max_connections::${limits.connections.max}`);
      line(`${priority}_priority::max_pending_requests::${limits.pendingRequests.max}`);
      line(`${priority}_priority::max_requests::${limits.requests.max}`);
      line(`${priority}_priority::max_retries::${limits.retries.max}`);
    }
    line(`added_via_api::${cluster.version !== ''}`);
    const service = edsService(cluster);
    if (service !== '') line(`eds_service_name::${service}`);
    for (const host of cluster.hosts) {
      const at = (rest: string): void => line(`${host.text}::${rest}`);
      const { counters, gauges } = numbersOf(host);
      for (const [name, value] of [...counters, ...gauges].sort(([a], [b]) => (a < b ? -1 : 1))) at(`${name}::${value}`);
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

const outlierRates = ['', 'local_origin_'].flatMap((kind) => [`${kind}success_rate_average`, `${kind}success_rate_ejection_threshold`]);

function chosen(state: DataplaneState, filter: RegExp | undefined): Cluster[] {
  return [...state.clusters.all].filter(({ config }) => filter === undefined || filter.test(config.name));
}

const edsService = ({ config }: Cluster): string => (config.discovery === 'eds' ? (config.proto.edsClusterConfig?.serviceName ?? '') : '');

type Numbers = readonly (readonly [name: string, value: number])[];

function numbersOf(host: Host): { readonly counters: Numbers; readonly gauges: Numbers } {
  return {
    counters: [
      ['cx_connect_fail', host.connectFailures],
      ['cx_total', host.totalConnections],
      ['rq_error', host.errors],
      ['rq_success', host.successes],
      ['rq_timeout', host.timeouts],
      ['rq_total', host.totalRequests],
    ],
    gauges: [
      ['cx_active', host.activeConnections],
      ['rq_active', host.activeRequests],
      ['rq_pending_active', host.pendingRequests],
    ],
  };
}

function* priorities(cluster: Cluster): Iterable<[string, ResourceLimits]> {
  yield ['default', cluster.limits];
  yield ['high', cluster.highLimits];
}

/** `/clusters?format=json`: envoy.admin.v3.Clusters, defaults left out. */
export function clustersJson(state: DataplaneState, filter?: RegExp): object {
  const statuses = chosen(state, filter).map((cluster) => ({
    name: cluster.config.name,
    ...(cluster.version === '' ? {} : { added_via_api: true }),
    ...list('host_statuses', [...cluster.hosts].map(hostStatus)),
    circuit_breakers: {
      thresholds: [...priorities(cluster)].map(([priority, limits]) => ({
        ...(priority === 'high' ? { priority: 'HIGH' } : {}),
        max_connections: limits.connections.max,
        max_pending_requests: limits.pendingRequests.max,
        max_requests: limits.requests.max,
        max_retries: limits.retries.max,
      })),
    },
    observability_name: cluster.config.statName,
    ...(edsService(cluster) === '' ? {} : { eds_service_name: edsService(cluster) }),
  }));
  return list('cluster_statuses', statuses);
}

const nonZero = (name: string, value: number): object => (value === 0 ? {} : { [name]: value });
const list = (name: string, values: readonly object[]): object => (values.length === 0 ? {} : { [name]: values });

function hostStatus(host: Host): object {
  const { address, locality, eds, weight, hostname, priority } = host.config;
  const { counters, gauges } = numbersOf(host);
  const number = (type: object, [name, value]: Numbers[number]): object => ({
    ...type,
    name,
    ...(value === 0 ? {} : { value: String(value) }),
  });
  return {
    address:
      address.kind === 'pipe'
        ? { pipe: { path: address.path } }
        : { socket_address: { address: address.address, port_value: address.port } },
    stats: [...counters.map((each) => number({}, each)), ...gauges.map((each) => number({ type: 'GAUGE' }, each))],
    health_status: {
      ...(host.active.failed ? { failed_active_health_check: true } : {}),
      ...(host.ejected ? { failed_outlier_check: true } : {}),
      ...(host.active.degraded ? { failed_active_degraded_check: true } : {}),
      ...(host.removing ? { pending_dynamic_removal: true } : {}),
      ...(host.active.pending ? { pending_active_hc: true } : {}),
      ...(host.active.excluded ? { excluded_via_immediate_hc_fail: true } : {}),
      ...(host.active.timedOut ? { active_hc_timeout: true } : {}),
      eds_health_status: eds === 'unknown' ? 'HEALTHY' : eds.toUpperCase(),
    },
    weight,
    ...(hostname === '' ? {} : { hostname }),
    ...nonZero('priority', priority),
    locality: Object.fromEntries(
      Object.entries({ region: locality?.region, zone: locality?.zone, sub_zone: locality?.subZone }).filter(
        ([, part]) => part !== undefined && part !== '',
      ),
    ),
  };
}
