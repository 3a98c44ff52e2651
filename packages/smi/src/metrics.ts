/** What the traffic of a resource is measured by. `kind` is the resource's plural, as in the paths of metrics.smi-spec.io. */
export interface MetricsRequest {
  readonly kind: MetricsKind;
  /** Empty: all of the kind. */
  readonly name: string;
  /** Empty: all namespaces. */
  readonly namespace: string;
  /** Prometheus duration, such as `30s`. */
  readonly window: string;
  /** Traffic by who is at the other end, both ways, instead of all that arrives. */
  readonly edges: boolean;
  /** Of a TrafficSplit: its root service and backends with their weights. */
  readonly split?: { readonly apex: string; readonly backends: readonly { readonly name: string; readonly weight: number }[] };
}

export const metricsKinds = {
  namespaces: 'Namespace',
  deployments: 'Deployment',
  services: 'Service',
  pods: 'Pod',
  trafficsplits: 'TrafficSplit',
} as const;
export type MetricsKind = keyof typeof metricsKinds;

/** One row of an instant query's answer. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export type MetricName = 'p99_response_latency' | 'p90_response_latency' | 'p50_response_latency' | 'success_count' | 'failure_count';

export interface MetricsQuery {
  readonly metric: MetricName;
  readonly direction: 'from' | 'to';
  readonly promql: string;
}

interface ObjectReference {
  readonly kind: string;
  readonly name?: string;
  readonly namespace?: string;
}

/** TrafficMetrics of metrics.smi-spec.io/v1alpha1. */
export interface TrafficMetrics {
  readonly kind: 'TrafficMetrics';
  readonly resource: ObjectReference;
  readonly edge: {
    readonly direction: 'from' | 'to';
    readonly side: 'client' | 'server';
    readonly resource: ObjectReference | Record<string, never>;
  };
  readonly backend?: { readonly apex: string; readonly name: string; readonly weight: number };
  readonly timestamp: string;
  readonly window: string;
  readonly metrics: readonly { readonly name: MetricName; readonly unit?: 'seconds'; readonly value: string }[];
}

/** Names and namespaces of the two ends of a request, among the labels of Istio's metrics. */
interface EndLabels {
  readonly name: string | undefined;
  readonly namespace: string;
}
const SERVER: Readonly<Record<MetricsKind, EndLabels>> = {
  namespaces: { name: undefined, namespace: 'destination_workload_namespace' },
  deployments: { name: 'destination_workload', namespace: 'destination_workload_namespace' },
  services: { name: 'destination_service_name', namespace: 'destination_service_namespace' },
  // The label that scrape configurations give to a pod's series.
  pods: { name: 'pod', namespace: 'namespace' },
  trafficsplits: { name: 'destination_service_name', namespace: 'destination_service_namespace' },
};
const CLIENT: EndLabels = { name: 'source_workload', namespace: 'source_workload_namespace' };
const LATENCIES = [
  ['p99_response_latency', 0.99],
  ['p90_response_latency', 0.9],
  ['p50_response_latency', 0.5],
] as const;

/** The instant queries that answer a request. */
export function metricsQueries(request: MetricsRequest): readonly MetricsQuery[] {
  const directions = request.edges && request.kind !== 'trafficsplits' ? (['from', 'to'] as const) : (['from'] as const);
  return directions.flatMap((direction) => {
    const { window } = request;
    const { labels, selector } = scopeOf(request, direction);
    const all = (...more: string[]) => `{${[...selector, ...more].filter((matcher) => matcher !== '').join(', ')}}`;
    const by = labels.join(', ');
    const count = (codes: string) => proxiesFirst((who) => `sum by (${by}) (increase(istio_requests_total${all(codes, who)}[${window}]))`);
    const quantileOf = (quantile: number) =>
      proxiesFirst(
        (who) =>
          `histogram_quantile(${quantile}, sum by (${by}, le) (rate(istio_request_duration_milliseconds_bucket${all(who)}[${window}])))`,
      );
    return [
      ...LATENCIES.map(([metric, quantile]) => ({
        metric,
        direction,
        promql: `(${quantileOf(quantile)}) / 1000`,
      })),
      { metric: 'success_count' as const, direction, promql: count('response_code!~"5..|0"') },
      { metric: 'failure_count' as const, direction, promql: count('response_code=~"5..|0"') },
    ];
  });
}

/** Mixer counts the same requests once more, without canonical services: its series count only where there are none of proxies. */
function proxiesFirst(query: (who: string) => string): string {
  return `${query('destination_canonical_service!=""')} or ${query('')}`;
}

function ownEnd({ kind }: MetricsRequest, direction: 'from' | 'to'): EndLabels {
  if (direction === 'from' || kind === 'pods') return SERVER[kind];
  return kind === 'namespaces' ? { name: undefined, namespace: CLIENT.namespace } : CLIENT;
}

function otherEnd({ kind }: MetricsRequest, direction: 'from' | 'to'): EndLabels {
  const end = direction === 'from' ? CLIENT : kind === 'services' ? SERVER.services : SERVER.deployments;
  return kind === 'namespaces' ? { name: undefined, namespace: end.namespace } : end;
}

function scopeOf(request: MetricsRequest, direction: 'from' | 'to'): { labels: readonly string[]; selector: readonly string[] } {
  const { kind, name, namespace, split } = request;
  const own = ownEnd(request, direction);
  // What a client sends to a backend, only the client can say.
  const reporter = kind === 'trafficsplits' || direction === 'to' ? 'source' : 'destination';
  const selector = [`reporter="${reporter}"`];
  const wanted = kind === 'namespaces' ? name : namespace;
  if (wanted !== '') selector.push(`${own.namespace}=${quoted(wanted)}`);
  if (split !== undefined && own.name !== undefined)
    selector.push(`${own.name}=~${quoted(split.backends.map((backend) => backend.name.replace(/[^\w-]/g, '\\$&')).join('|'))}`);
  else if (name !== '' && own.name !== undefined) selector.push(`${own.name}=${quoted(name)}`);
  const ends = request.edges && kind !== 'trafficsplits' ? [own, otherEnd(request, direction)] : [own];
  return { labels: [...new Set(ends.flatMap((end) => [...(end.name === undefined ? [] : [end.name]), end.namespace]))], selector };
}

/** What the queries answered, as a TrafficMetricsList. `timestamp` is RFC 3339. */
export function trafficMetricsList(
  request: MetricsRequest,
  answers: readonly { readonly query: MetricsQuery; readonly samples: readonly Sample[] }[],
  timestamp: string,
): {
  readonly kind: 'TrafficMetricsList';
  readonly apiVersion: string;
  readonly resource: ObjectReference;
  readonly items: readonly TrafficMetrics[];
} {
  const items = new Map<string, { direction: 'from' | 'to'; labels: Readonly<Record<string, string>>; values: Map<MetricName, number> }>();
  for (const { query, samples } of answers)
    for (const { labels, value } of samples) {
      const { labels: names } = scopeOf(request, query.direction);
      const key = `${query.direction} ${names.map((name) => labels[name] ?? '').join(' ')}`;
      const item = items.get(key) ?? { direction: query.direction, labels, values: new Map<MetricName, number>() };
      item.values.set(query.metric, value);
      items.set(key, item);
    }
  const { name, namespace } = request;
  return {
    kind: 'TrafficMetricsList',
    apiVersion: 'metrics.smi-spec.io/v1alpha1',
    resource: { kind: metricsKinds[request.kind], ...(name === '' ? {} : { name }), ...(namespace === '' ? {} : { namespace }) },
    items: [...items]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, { direction, labels, values }]) => item(request, direction, labels, values, timestamp)),
  };
}

function item(
  request: MetricsRequest,
  direction: 'from' | 'to',
  labels: Readonly<Record<string, string>>,
  values: ReadonlyMap<MetricName, number>,
  timestamp: string,
): TrafficMetrics {
  const { kind, split, window } = request;
  const own = reference(metricsKinds[kind], ownEnd(request, direction), labels);
  const backend = split?.backends.find((candidate) => candidate.name === own.name);
  const isSplit = kind === 'trafficsplits';
  const other = reference(kind === 'namespaces' ? 'Namespace' : 'Deployment', otherEnd(request, direction), labels);
  return {
    kind: 'TrafficMetrics',
    resource: isSplit ? { kind: 'TrafficSplit', name: request.name, namespace: request.namespace } : own,
    edge: { direction, side: isSplit || direction === 'to' ? 'client' : 'server', resource: request.edges && !isSplit ? other : {} },
    ...(backend === undefined || split === undefined ? {} : { backend: { apex: split.apex, ...backend } }),
    timestamp,
    window,
    metrics: [
      ...LATENCIES.map(([name]) => ({ name, unit: 'seconds' as const, value: milli(values.get(name)) })),
      { name: 'success_count', value: String(Math.round(values.get('success_count') ?? 0)) },
      { name: 'failure_count', value: String(Math.round(values.get('failure_count') ?? 0)) },
    ],
  };
}

function reference(kind: string, end: EndLabels, labels: Readonly<Record<string, string>>): ObjectReference {
  const namespace = labels[end.namespace] ?? '';
  if (end.name === undefined) return { kind, name: namespace };
  return { kind, name: labels[end.name] ?? '', namespace };
}

/** A Kubernetes quantity in thousandths. No traffic has no latency: 0. */
function milli(value: number | undefined): string {
  return value === undefined || !Number.isFinite(value) ? '0' : `${Math.round(value * 1000)}m`;
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
