import { type HistogramData, mergeHistograms } from './histogram.ts';

export type Label = readonly [name: string, value: string];

interface SampleBase {
  /** Envoy's dotted name, unique among samples. */
  readonly name: string;
  /** Name and labels that Prometheus shows. */
  readonly prometheusName: string;
  readonly labels: readonly Label[];
  /** Whether it was ever written: `/stats?usedonly`. */
  readonly used: boolean;
}

/** One metric at one moment, as plain data: it can cross threads. */
export type StatSample = SampleBase &
  ({ readonly kind: 'counter' | 'gauge'; readonly value: number } | { readonly kind: 'histogram'; readonly data: HistogramData });

/** Adds up what several workers counted. */
export function mergeSamples(lists: readonly (readonly StatSample[])[]): StatSample[] {
  const merged = new Map<string, StatSample>();
  for (const list of lists) {
    for (const sample of list) {
      const before = merged.get(sample.name);
      merged.set(sample.name, before === undefined ? sample : mergeTwo(before, sample));
    }
  }
  return [...merged.values()];
}

function mergeTwo(a: StatSample, b: StatSample): StatSample {
  const used = a.used || b.used;
  if (a.kind === 'histogram') return b.kind === 'histogram' ? { ...a, used, data: mergeHistograms(a.data, b.data) } : a;
  return b.kind === 'histogram' ? a : { ...a, used, value: a.value + b.value };
}
