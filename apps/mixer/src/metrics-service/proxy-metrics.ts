import { type Metric, type MetricFamily, MetricType } from '@xebec/protos/io/prometheus/client/metrics';

export interface ProxyMetricsLimits {
  /** Proxies of which metrics are kept. */
  readonly maxProxies: number;
  /** Lines of one proxy, and of all. */
  readonly maxLinesPerProxy: number;
  readonly maxLines: number;
  /** A proxy that says nothing for so long is forgotten. */
  readonly expiryMs: number;
}

export const DEFAULT_LIMITS: ProxyMetricsLimits = { maxProxies: 5_000, maxLinesPerProxy: 20_000, maxLines: 1_000_000, expiryMs: 300_000 };

export interface ProxyIdentity {
  readonly id: string;
  readonly cluster: string;
}

interface Series {
  /** Without the name: `_bucket{node_id="…",le="1"} 4`. */
  readonly lines: readonly string[];
  /** Of a histogram: what has come so far. */
  readonly total?: HistogramTotal;
}

interface Family {
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary' | 'untyped';
  /** By labels: Envoy sends families of one name one by one. */
  readonly series: Map<string, Series>;
}

/** Envoy sends of histograms what one interval brought; Prometheus wants all. */
interface HistogramTotal {
  readonly buckets: ReadonlyMap<number, bigint>;
  readonly count: bigint;
  readonly sum: number;
}

interface Proxy {
  readonly families: Map<string, Family>;
  lines: number;
  seenMs: number;
}

const TYPES: Readonly<Record<MetricType, Family['type']>> = {
  [MetricType.COUNTER]: 'counter',
  [MetricType.GAUGE]: 'gauge',
  [MetricType.SUMMARY]: 'summary',
  [MetricType.UNTYPED]: 'untyped',
  [MetricType.HISTOGRAM]: 'histogram',
  [MetricType.GAUGE_HISTOGRAM]: 'histogram',
};

/** The last value of every metric that proxies stream, with labels that say whose it is. Bounded in proxies and lines. */
export class ProxyMetrics {
  readonly #proxies = new Map<string, Proxy>();
  readonly #limits: ProxyMetricsLimits;
  #lines = 0;

  constructor(limits: ProxyMetricsLimits = DEFAULT_LIMITS) {
    this.#limits = limits;
  }
  /** Takes what a proxy sent: values replace those of the same name and labels, histograms are added up. Returns the number of series that had no room. */
  update(proxy: ProxyIdentity, families: readonly MetricFamily[], nowMs: number): number {
    this.#expire(nowMs);
    let state = this.#proxies.get(proxy.id);
    let dropped = 0;
    if (state === undefined) {
      if (this.#proxies.size >= this.#limits.maxProxies) return families.reduce((sum, { metric }) => sum + metric.length, 0);
      state = { families: new Map(), lines: 0, seenMs: nowMs };
      this.#proxies.set(proxy.id, state);
    }
    state.seenMs = nowMs;
    // Envoy may send a summary beside the histogram of the same name; the one name can have one type, and histograms can be added up.
    const histograms = new Set(families.filter(({ type }) => type === MetricType.HISTOGRAM).map(({ name }) => name));
    const own = `node_id="${escapeLabel(proxy.id)}",node_cluster="${escapeLabel(proxy.cluster)}"`;
    for (const family of families) {
      if (family.type === MetricType.SUMMARY && histograms.has(family.name)) continue;
      const name = prometheusName(family.name);
      const type = TYPES[family.type];
      const known = state.families.get(name);
      if (known !== undefined && known.type !== type) continue;
      const kept: Family = known ?? { type, series: new Map() };
      for (const metric of family.metric) {
        const labels = labelsOf(metric, own);
        const before = kept.series.get(labels);
        const series = seriesOf(metric, labels, before);
        const grows = series.lines.length - (before?.lines.length ?? 0);
        if (state.lines + grows > this.#limits.maxLinesPerProxy || this.#lines + grows > this.#limits.maxLines) {
          dropped++;
          continue;
        }
        kept.series.set(labels, series);
        state.lines += grows;
        this.#lines += grows;
      }
      if (kept.series.size > 0) state.families.set(name, kept);
    }
    return dropped;
  }
  /** Prometheus' text format, all lines of a name together. */
  exposition(nowMs: number): string {
    this.#expire(nowMs);
    const byName = new Map<string, Family[]>();
    for (const { families } of this.#proxies.values()) {
      for (const [name, family] of families) {
        const known = byName.get(name);
        if (known === undefined) byName.set(name, [family]);
        // Two proxies of different versions may differ; a name has one type.
        else if (known[0]?.type === family.type) known.push(family);
      }
    }
    const out: string[] = [];
    for (const [name, families] of byName) {
      out.push(`# TYPE ${name} ${families[0]?.type ?? 'untyped'}\n`);
      for (const { series } of families) for (const { lines } of series.values()) for (const line of lines) out.push(name, line, '\n');
    }
    return out.join('');
  }
  get size(): { readonly proxies: number; readonly lines: number } {
    return { proxies: this.#proxies.size, lines: this.#lines };
  }

  #expire(nowMs: number): void {
    for (const [id, { seenMs, lines }] of this.#proxies) {
      if (nowMs - seenMs <= this.#limits.expiryMs) continue;
      this.#proxies.delete(id);
      this.#lines -= lines;
    }
  }
}

/** `cluster.outbound|80||a.upstream_rq_total` as `envoy_cluster_outbound_80__a_upstream_rq_total`, as Envoy itself does. */
function prometheusName(name: string): string {
  return `envoy_${name.replaceAll(/[^a-zA-Z0-9_]/g, '_')}`;
}

const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function labelsOf({ label }: Metric, own: string): string {
  let labels = own;
  for (const { name, value } of label) {
    const clean = name.replaceAll('.', '_');
    if (LABEL_NAME.test(clean) && clean !== 'node_id' && clean !== 'node_cluster') labels += `,${clean}="${escapeLabel(value)}"`;
  }
  return labels;
}

function seriesOf({ counter, gauge, untyped, histogram, summary }: Metric, labels: string, before: Series | undefined): Series {
  const single = counter ?? gauge ?? untyped;
  if (single !== undefined) return { lines: [`{${labels}} ${number(single.value)}`] };
  if (histogram !== undefined) {
    const buckets = new Map(before?.total?.buckets);
    for (const { upperBound, cumulativeCount } of histogram.bucket) {
      if (upperBound !== Number.POSITIVE_INFINITY) buckets.set(upperBound, (buckets.get(upperBound) ?? 0n) + cumulativeCount);
    }
    const count = (before?.total?.count ?? 0n) + histogram.sampleCount;
    const sum = (before?.total?.sum ?? 0) + (Number.isFinite(histogram.sampleSum) ? histogram.sampleSum : 0);
    return {
      total: { buckets, count, sum },
      lines: [
        ...[...buckets].map(([bound, below]) => `_bucket{${labels},le="${number(bound)}"} ${below}`),
        `_bucket{${labels},le="+Inf"} ${count}`,
        `_sum{${labels}} ${number(sum)}`,
        `_count{${labels}} ${count}`,
      ],
    };
  }
  if (summary === undefined) return { lines: [] };
  return {
    lines: [
      ...summary.quantile.map(({ quantile, value }) => `{${labels},quantile="${number(quantile)}"} ${number(value)}`),
      `_sum{${labels}} ${number(summary.sampleSum)}`,
      `_count{${labels}} ${summary.sampleCount}`,
    ],
  };
}

function number(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}
