import { type MetricConfig, type MetricDefinition, MetricType, type PluginConfig } from '@xebec/protos/istio/filters/stats';
import type { Counter, Gauge, Histogram, StatKind, StatsScope } from '@xebec/telemetry';
import type { Labels } from './labels.ts';
import type { TagExpressions } from './tag-expressions.ts';

export type Handle = Counter & Gauge & Histogram;

/** Istio's standard metrics, by the names that configurations use. */
export const standardMetrics = {
  requests_total: 'counter',
  request_duration_milliseconds: 'histogram',
  request_bytes: 'histogram',
  response_bytes: 'histogram',
  request_messages_total: 'counter',
  response_messages_total: 'counter',
  tcp_sent_bytes_total: 'counter',
  tcp_received_bytes_total: 'counter',
  tcp_connections_opened_total: 'counter',
  tcp_connections_closed_total: 'counter',
} as const satisfies Readonly<Record<string, StatKind>>;

export type StandardMetric = keyof typeof standardMetrics;

/** The labels that metrics have unless told otherwise; others can only be added. */
const standardTags = new Set([
  'reporter',
  ...['workload', 'workload_namespace', 'principal', 'app', 'version', 'canonical_service', 'canonical_revision', 'cluster'].flatMap(
    (name) => [`source_${name}`, `destination_${name}`],
  ),
  ...['service', 'service_name', 'service_namespace'].map((name) => `destination_${name}`),
  'request_protocol',
  'response_code',
  'grpc_response_status',
  'response_flags',
  'connection_security_policy',
]);

/** What the configuration changes about one metric; numbers are places among the expressions' values. */
interface Customisation {
  drop: boolean;
  /** A standard label's other value; undefined takes it away. */
  readonly replaced: Map<string, number | undefined>;
  /** Labels that come after the standard ones, in this order. */
  readonly added: Map<string, number>;
}

/** A metric of the user's own, counted once at the end of each stream by the value of an expression. */
export interface OwnMetric {
  readonly name: string;
  readonly kind: StatKind;
  /** Place of its value among the expressions'. */
  readonly value: number;
}

/** Makes handles of metrics for label values, as the configuration wants them. Called once per combination, not per stream. */
export class MetricFamily {
  readonly ownMetrics: readonly OwnMetric[];
  readonly #scope: StatsScope;
  readonly #custom = new Map<string, Customisation>();

  constructor(scope: StatsScope, config: PluginConfig, expressions: TagExpressions) {
    this.#scope = scope;
    this.ownMetrics = config.definitions.flatMap((definition) => ownMetric(definition, expressions) ?? []);
    for (const change of config.metrics) this.#configure(change, expressions);
  }
  /** Changes whenever handles made before must not be used any more. */
  get generation(): number {
    return this.#scope.generation;
  }
  /** Undefined where the configuration drops the metric. */
  handle(name: StandardMetric, labels: Labels, values: readonly string[]): Handle | undefined {
    const custom = this.#custom.get(name);
    if (custom?.drop === true) return undefined;
    return this.#scope.labelled(standardMetrics[name], `istio_${name}`, customised(labels, values, custom));
  }
  own({ name, kind }: OwnMetric, values: readonly string[]): Handle {
    return this.#scope.labelled(kind, `istio_${name}`, customised({}, values, this.#custom.get(name)));
  }
  #configure({ name, drop, tagsToRemove, dimensions }: MetricConfig, expressions: TagExpressions): void {
    const standard = name === '' ? Object.keys(standardMetrics) : Object.hasOwn(standardMetrics, name) ? [name] : [];
    if (drop) {
      // All at once are dropped by leaving the filter out; so it is in Istio.
      if (name !== '') for (const metric of standard) this.#of(metric).drop = true;
      return;
    }
    const own = this.ownMetrics.filter((metric) => name === '' || metric.name === name);
    for (const tag of tagsToRemove) if (standardTags.has(tag)) for (const metric of standard) this.#of(metric).replaced.set(tag, undefined);
    for (const [tag, source] of Object.entries(dimensions).sort(([a], [b]) => (a < b ? -1 : 1))) {
      const value = expressions.add(source);
      // A standard label whose expression cannot be read is left out, an added one never comes.
      if (standardTags.has(tag)) for (const metric of standard) this.#of(metric).replaced.set(tag, value);
      if (value === undefined) continue;
      if (!standardTags.has(tag)) for (const metric of standard) this.#of(metric).added.set(tag, value);
      for (const metric of own) this.#of(metric.name).added.set(tag, value);
    }
  }
  #of(name: string): Customisation {
    const known = this.#custom.get(name);
    if (known !== undefined) return known;
    const made: Customisation = { drop: false, replaced: new Map(), added: new Map() };
    this.#custom.set(name, made);
    return made;
  }
}

const kinds: Readonly<Record<MetricType, StatKind>> = {
  [MetricType.COUNTER]: 'counter',
  [MetricType.GAUGE]: 'gauge',
  [MetricType.HISTOGRAM]: 'histogram',
};

function ownMetric({ name, value, type }: MetricDefinition, expressions: TagExpressions): OwnMetric | undefined {
  if (Object.hasOwn(standardMetrics, name)) return undefined;
  const index = expressions.add(value);
  return index === undefined ? undefined : { name, kind: kinds[type], value: index };
}

function customised(labels: Labels, values: readonly string[], custom: Customisation | undefined): Labels {
  if (custom === undefined) return labels;
  const result: Labels = {};
  for (const [name, value] of Object.entries(labels)) {
    if (!custom.replaced.has(name)) result[name] = value;
    else {
      const index = custom.replaced.get(name);
      if (index !== undefined) result[name] = values[index] ?? 'unknown';
    }
  }
  for (const [name, index] of custom.added) result[name] = values[index] ?? 'unknown';
  return result;
}
