import { type MeshProxy, type MeshSnapshot, telemetriesOf } from '@xebec/model';
import type { PluginConfigSchema } from '@xebec/protos/istio/filters/stats';
import type { TelemetryMetrics } from '@xebec/schemas';
import type { Fields } from '../envoy/any.ts';
import { duration } from '../envoy/duration.ts';
import { type Mode, providerNamed } from './access-log.ts';

export type StatsConfig = Fields<typeof PluginConfigSchema>;
type Override = NonNullable<TelemetryMetrics['overrides']>[number];

/** The metrics that Istio's names stand for. */
const METRICS: Readonly<Record<string, string>> = {
  GRPC_REQUEST_MESSAGES: 'request_messages_total',
  GRPC_RESPONSE_MESSAGES: 'response_messages_total',
  REQUEST_COUNT: 'requests_total',
  REQUEST_DURATION: 'request_duration_milliseconds',
  REQUEST_SIZE: 'request_bytes',
  RESPONSE_SIZE: 'response_bytes',
  TCP_CLOSED_CONNECTIONS: 'tcp_connections_closed_total',
  TCP_OPENED_CONNECTIONS: 'tcp_connections_opened_total',
  TCP_RECEIVED_BYTES: 'tcp_received_bytes_total',
  TCP_SENT_BYTES: 'tcp_sent_bytes_total',
};

interface Change {
  drop: boolean;
  readonly tags: Map<string, string | undefined>;
}

/**
 * The configuration of the metrics filter of one direction; undefined when there is none. Standard metrics are on unless the
 * mesh names other providers: Istio's own installation says so in `defaultProviders`.
 */
export function statsConfig(
  snapshot: MeshSnapshot,
  proxy: MeshProxy,
  mode: Mode,
  gateway: boolean,
  inbound: boolean,
): StatsConfig | undefined {
  const entries = telemetriesOf(snapshot, proxy).flatMap(({ spec }) => spec.metrics ?? []);
  const defaults = snapshot.mesh.defaultProviders?.metrics ?? ['prometheus'];
  const names = entries.reduce<readonly string[]>((last, { providers }) => namesOf(providers) ?? last, defaults);
  const reporting = names.filter((name) => providerNamed(snapshot, name)?.prometheus !== undefined);
  const [first] = reporting;
  if (first === undefined) return undefined;
  const merged = mergeMetrics(entries, defaults, first, mode);
  if (merged.disabled) return undefined;
  return {
    disableHostHeaderFallback: gateway || inbound,
    ...(merged.interval === undefined ? {} : { tcpReportingDuration: duration(merged.interval) }),
    metrics: [...merged.changes]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, { drop, tags }]) => {
        const sorted = [...tags].sort(([a], [b]) => (a < b ? -1 : 1));
        return {
          name: (Object.hasOwn(METRICS, name) ? METRICS[name] : undefined) ?? name,
          drop,
          dimensions: Object.fromEntries(sorted.flatMap(([tag, value]) => (value === undefined ? [] : [[tag, value]]))),
          tagsToRemove: sorted.flatMap(([tag, value]) => (value === undefined ? [tag] : [])),
        };
      }),
  };
}

function namesOf(providers: TelemetryMetrics['providers']): string[] | undefined {
  return providers === undefined || providers.length === 0 ? undefined : providers.map(({ name }) => name);
}

/** The overrides of one provider and mode, a later entry over an earlier. Switching all metrics off drops the filter itself. */
function mergeMetrics(entries: readonly TelemetryMetrics[], defaults: readonly string[], provider: string, mode: Mode) {
  const changes = new Map<string, Change>();
  let disabled = false;
  let interval: string | undefined;
  let inherited = defaults;
  for (const entry of entries) {
    inherited = namesOf(entry.providers) ?? inherited;
    if (!inherited.includes(provider)) continue;
    interval = entry.reportingInterval ?? interval;
    for (const override of entry.overrides ?? []) {
      const wanted = override.match?.mode;
      if ((wanted === 'CLIENT' || wanted === 'SERVER') && wanted !== mode) continue;
      if (isAll(override) && override.disabled === true) {
        disabled = true;
        continue;
      }
      // The mesh may switch all off and a namespace some on again.
      disabled = false;
      for (const name of metricsOf(override)) change(changes, name, override);
    }
  }
  return { changes, disabled, interval };
}

function change(changes: Map<string, Change>, name: string, override: Override): void {
  const known = changes.get(name) ?? { drop: false, tags: new Map() };
  if (override.disabled !== undefined) known.drop = override.disabled;
  for (const [tag, { operation, value }] of Object.entries(override.tagOverrides ?? {}))
    known.tags.set(tag, operation === 'REMOVE' ? undefined : (value ?? ''));
  changes.set(name, known);
}

function isAll({ match }: Override): boolean {
  return match?.customMetric === undefined && (match?.metric === undefined || match.metric === 'ALL_METRICS');
}

function metricsOf(override: Override): string[] {
  const { match } = override;
  if (match?.customMetric !== undefined) return [match.customMetric];
  return isAll(override) ? Object.keys(METRICS) : [match?.metric ?? ''];
}
