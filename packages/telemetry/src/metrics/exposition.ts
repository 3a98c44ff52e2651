import { type HistogramData, printedQuantiles, quantile } from './histogram.ts';
import type { Label, StatSample } from './sample.ts';

export interface ExpositionOptions {
  /** Keeps samples whose dotted name contains a match. */
  readonly filter?: RegExp;
  /** Drops what was never written. */
  readonly usedOnly?: boolean;
}

function selected(samples: readonly StatSample[], options: ExpositionOptions): StatSample[] {
  return samples.filter(
    (sample) => (options.usedOnly !== true || sample.used) && (options.filter === undefined || options.filter.test(sample.name)),
  );
}

/** Envoy's `/stats`: `name: value` lines, histograms with their quantiles. */
export function formatStatsText(samples: readonly StatSample[], options: ExpositionOptions = {}): string {
  let numbers = '';
  let histograms = '';
  for (const sample of selected(samples, options)) {
    if (sample.kind === 'histogram') histograms += `${sample.name}: ${quantilesText(sample.data)}\n`;
    else numbers += `${sample.name}: ${sample.value}\n`;
  }
  return numbers + histograms;
}

function quantilesText(data: HistogramData): string {
  if (data.count === 0) return 'No recorded values';
  return printedQuantiles.map((q) => `P${round(q * 100)}(nan,${round(quantile(data, q))})`).join(' ');
}

const round = (value: number) => Number(value.toPrecision(6));

/** Envoy's `/stats?format=json`. */
export function formatStatsJson(samples: readonly StatSample[], options: ExpositionOptions = {}): string {
  const stats: object[] = [];
  const computed: object[] = [];
  for (const sample of selected(samples, options)) {
    if (sample.kind !== 'histogram') {
      stats.push({ name: sample.name, value: sample.value });
      continue;
    }
    const values = printedQuantiles.map((q) => {
      const value = quantile(sample.data, q);
      return { interval: null, cumulative: Number.isNaN(value) ? null : round(value) };
    });
    computed.push({ name: sample.name, values });
  }
  if (computed.length > 0) {
    stats.push({ histograms: { supported_quantiles: printedQuantiles.map((q) => round(q * 100)), computed_quantiles: computed } });
  }
  return JSON.stringify({ stats });
}

export interface PrometheusOptions extends ExpositionOptions {
  /** Put before tag names of Envoy's own metrics: Istio's bootstrap shows `cluster_name`, a plain Envoy `envoy_cluster_name`. */
  readonly tagPrefix?: string;
}

/** The Prometheus text format, version 0.0.4: one TYPE line per name, series of a name together. */
export function formatPrometheus(samples: readonly StatSample[], options: PrometheusOptions = {}): string {
  const families = new Map<string, StatSample[]>();
  for (const sample of selected(samples, options)) {
    const family = families.get(sample.prometheusName);
    if (family === undefined) families.set(sample.prometheusName, [sample]);
    else family.push(sample);
  }
  let text = '';
  for (const [name, family] of [...families].sort(byKindAndName)) {
    const [first] = family;
    if (first === undefined) continue;
    text += `# TYPE ${name} ${first.kind}\n`;
    const prefix = name.startsWith('envoy_') ? (options.tagPrefix ?? '') : '';
    for (const sample of family) {
      const labels = sample.labels.map(([label, value]) => labelText([prefix + label, value])).join(',');
      text += sample.kind === 'histogram' ? bucketsText(name, labels, sample.data) : `${name}{${labels}} ${sample.value}\n`;
    }
  }
  return text;
}

const kindOrder = { counter: 0, gauge: 1, histogram: 2 };

/** Envoy's order: counters, gauges, histograms, each by name. */
function byKindAndName(
  [a, [first]]: readonly [string, readonly StatSample[]],
  [b, [second]]: readonly [string, readonly StatSample[]],
): number {
  const kinds = kindOrder[first?.kind ?? 'counter'] - kindOrder[second?.kind ?? 'counter'];
  return kinds !== 0 ? kinds : a < b ? -1 : a > b ? 1 : 0;
}

function bucketsText(name: string, labels: string, data: HistogramData): string {
  const lead = labels === '' ? '' : `${labels},`;
  let text = '';
  let cumulative = 0;
  for (const [i, bound] of data.bounds.entries()) {
    cumulative += data.counts[i] ?? 0;
    text += `${name}_bucket{${lead}le="${bound}"} ${cumulative}\n`;
  }
  text += `${name}_bucket{${lead}le="+Inf"} ${data.count}\n`;
  return `${text}${name}_sum{${labels}} ${data.sum}\n${name}_count{${labels}} ${data.count}\n`;
}

function labelText([name, value]: Label): string {
  const escaped = /[\\"\n]/.test(value) ? value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : value;
  return `${name.replaceAll(/[^a-zA-Z0-9_]/g, '_')}="${escaped}"`;
}
