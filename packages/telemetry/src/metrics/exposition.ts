import { cumulativeCounts, defaultBuckets, type HistogramData, printedQuantiles, quantile } from './histogram.ts';
import type { StatSample } from './sample.ts';

/** How `/stats` shows histograms (`histogram_buckets`). */
export type HistogramView = 'summary' | 'cumulative' | 'disjoint' | 'detailed';

/** Upper bounds of the buckets of a histogram, by its dotted name. */
export type BucketBounds = (name: string) => readonly number[];

export interface ExpositionOptions {
  /** Keeps samples whose dotted name contains a match. */
  readonly filter?: RegExp;
  /** Drops what was never written. */
  readonly usedOnly?: boolean;
  /** `summary`. */
  readonly histograms?: HistogramView;
  /** Envoy's defaults. */
  readonly bounds?: BucketBounds;
}

export function selected(samples: readonly StatSample[], options: ExpositionOptions): StatSample[] {
  return samples.filter(
    (sample) => (options.usedOnly !== true || sample.used) && (options.filter === undefined || options.filter.test(sample.name)),
  );
}

export const bucketsOf = (options: ExpositionOptions, name: string): readonly number[] => options.bounds?.(name) ?? defaultBuckets;

/** Envoy's `/stats`: texts, then `name: value` lines, then histograms. */
export function formatStatsText(samples: readonly StatSample[], options: ExpositionOptions = {}): string {
  let texts = '';
  let numbers = '';
  let histograms = '';
  for (const sample of selected(samples, options)) {
    if (sample.kind === 'histogram') histograms += `${sample.name}:${histogramText(sample.name, sample.data, options)}\n`;
    else if (sample.kind === 'text') texts += `${sample.name}: "${sample.text}"\n`;
    else numbers += `${sample.name}: ${sample.value}\n`;
  }
  return texts + numbers + histograms;
}

/** Envoy prints what came since its last flush beside what came since the start; ours has no such interval: `nan`, or 0. */
function histogramText(name: string, data: HistogramData, options: ExpositionOptions): string {
  if (data.count === 0) return ' No recorded values';
  const quantiles = () => printedQuantiles.map((q) => `P${round(q * 100)}(nan,${quantile(data, q)})`).join(' ');
  switch (options.histograms) {
    case 'cumulative':
    case 'disjoint':
      return buckets(name, data, options).reduce((text, { bound, count }) => `${text} B${general(bound)}(0,${count})`, '');
    case 'detailed': {
      const totals = data.bins.map(({ lower, width, count }) => `${lower},${width}:${count}`).join(', ');
      return `\n  totals=${totals}\n  intervals=\n  summary=${quantiles()}`;
    }
    default:
      return ` ${quantiles()}`;
  }
}

/** Counts per bound: at most it, or for `disjoint` between the one before and it. */
function buckets(name: string, data: HistogramData, options: ExpositionOptions): { bound: number; count: number }[] {
  const bounds = bucketsOf(options, name);
  const counts = cumulativeCounts(data, bounds);
  return bounds.map((bound, i) => ({
    bound,
    count: (counts[i] ?? 0) - (options.histograms === 'disjoint' ? (counts[i - 1] ?? 0) : 0),
  }));
}

const round = (value: number) => Number(value.toPrecision(6));

/** C's `%g`: six digits, an exponent where it is shorter. */
function general(value: number): string {
  const rounded = round(value);
  if (rounded !== 0 && (Math.abs(rounded) >= 1e6 || Math.abs(rounded) < 1e-4))
    return rounded.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
  return String(rounded);
}

/** Envoy's `/stats?format=json`. */
export function formatStatsJson(samples: readonly StatSample[], options: ExpositionOptions = {}): string {
  const texts: object[] = [];
  const numbers: object[] = [];
  const histograms: { readonly name: string; readonly data: HistogramData }[] = [];
  for (const sample of selected(samples, options)) {
    if (sample.kind === 'histogram') histograms.push(sample);
    else if (sample.kind === 'text') texts.push({ name: sample.name, value: sample.text });
    else numbers.push({ name: sample.name, value: sample.value });
  }
  const stats = [...texts, ...numbers];
  if (histograms.length > 0) stats.push({ histograms: histogramsJson(histograms, options) });
  return JSON.stringify({ stats });
}

function histogramsJson(
  histograms: readonly { readonly name: string; readonly data: HistogramData }[],
  options: ExpositionOptions,
): object {
  const percents = printedQuantiles.map((q) => round(q * 100));
  const values = (data: HistogramData): object[] =>
    printedQuantiles.map((q) => ({ cumulative: data.count === 0 ? null : quantile(data, q), interval: null }));
  switch (options.histograms) {
    case 'cumulative':
    case 'disjoint':
      return histograms.map(({ name, data }) => ({
        name,
        buckets: buckets(name, data, options).map(({ bound, count }) => ({ upper_bound: bound, interval: 0, cumulative: count })),
      }));
    case 'detailed':
      return {
        supported_percentiles: percents,
        details: histograms.map(({ name, data }) => ({
          name,
          totals: data.bins.map(({ lower, width, count }) => ({ lower_bound: lower, width, count })),
          intervals: [],
          percentiles: values(data),
        })),
      };
    default:
      return { supported_quantiles: percents, computed_quantiles: histograms.map(({ name, data }) => ({ name, values: values(data) })) };
  }
}
