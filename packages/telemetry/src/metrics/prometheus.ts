import { bucketsOf, type ExpositionOptions, selected } from './exposition.ts';
import { cumulativeCounts, type HistogramData, printedQuantiles, quantile } from './histogram.ts';
import type { Label, StatSample } from './sample.ts';

export interface PrometheusOptions extends ExpositionOptions {
  /** Put before tag names of Envoy's own metrics: Istio's bootstrap shows `cluster_name`, a plain Envoy `envoy_cluster_name`. */
  readonly tagPrefix?: string;
  /** Shows texts as gauges of 0 with a label `text_value`. */
  readonly textReadouts?: boolean;
}

/** The Prometheus text format, version 0.0.4: one TYPE line per name, series of a name together. */
export function formatPrometheus(samples: readonly StatSample[], options: PrometheusOptions = {}): string {
  const families = new Map<string, StatSample[]>();
  for (const sample of selected(samples, options)) {
    if (sample.kind === 'text' && options.textReadouts !== true) continue;
    // Tags of the user's own may leave a counter and a gauge with one name.
    const key = `${sample.prometheusName} ${sample.kind}`;
    const family = families.get(key);
    if (family === undefined) families.set(key, [sample]);
    else family.push(sample);
  }
  const summary = options.histograms === 'summary';
  let text = '';
  for (const [, family] of [...families].sort(byKindAndName)) {
    const [first] = family;
    if (first === undefined) continue;
    const name = first.prometheusName;
    text += `# TYPE ${name} ${first.kind === 'text' ? 'gauge' : first.kind === 'histogram' && summary ? 'summary' : first.kind}\n`;
    const prefix = name.startsWith('envoy_') ? (options.tagPrefix ?? '') : '';
    for (const sample of family) {
      const labels = sample.labels.map(([label, value]) => labelText([prefix + label, value])).join(',');
      text += seriesText(name, labels, sample, options);
    }
  }
  return text;
}

function seriesText(name: string, labels: string, sample: StatSample, options: PrometheusOptions): string {
  const lead = labels === '' ? '' : `${labels},`;
  switch (sample.kind) {
    case 'histogram':
      return options.histograms === 'summary'
        ? summaryText(name, labels, lead, sample.data)
        : bucketsText(name, labels, lead, sample.data, bucketsOf(options, sample.name));
    case 'text':
      return `${name}{${lead}${labelText(['text_value', sample.text])}} 0\n`;
    default:
      return `${name}{${labels}} ${sample.value}\n`;
  }
}

const kindOrder = { counter: 0, gauge: 1, text: 2, histogram: 3 };

/** Envoy's order: counters, gauges, texts, histograms, each by name. */
function byKindAndName(
  [a, [first]]: readonly [string, readonly StatSample[]],
  [b, [second]]: readonly [string, readonly StatSample[]],
): number {
  const kinds = kindOrder[first?.kind ?? 'counter'] - kindOrder[second?.kind ?? 'counter'];
  return kinds !== 0 ? kinds : a < b ? -1 : a > b ? 1 : 0;
}

function bucketsText(name: string, labels: string, lead: string, data: HistogramData, bounds: readonly number[]): string {
  const counts = cumulativeCounts(data, bounds);
  let text = '';
  for (const [i, bound] of bounds.entries()) text += `${name}_bucket{${lead}le="${bound}"} ${counts[i] ?? 0}\n`;
  text += `${name}_bucket{${lead}le="+Inf"} ${data.count}\n`;
  return text + totals(name, labels, data);
}

function summaryText(name: string, labels: string, lead: string, data: HistogramData): string {
  let text = '';
  for (const q of printedQuantiles) text += `${name}{${lead}quantile="${q}"} ${data.count === 0 ? 'nan' : quantile(data, q)}\n`;
  return text + totals(name, labels, data);
}

const totals = (name: string, labels: string, data: HistogramData) =>
  `${name}_sum{${labels}} ${data.sum}\n${name}_count{${labels}} ${data.count}\n`;

function labelText([name, value]: Label): string {
  const escaped = /[\\"\n]/.test(value) ? value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : value;
  return `${name.replaceAll(/[^a-zA-Z0-9_]/g, '_')}="${escaped}"`;
}
