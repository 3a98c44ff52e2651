import type { HistogramData } from './histogram.ts';

export type Label = readonly [name: string, value: string];

export type StatKind = 'counter' | 'gauge' | 'histogram';

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
  (
    | { readonly kind: 'counter' | 'gauge'; readonly value: number }
    | { readonly kind: 'histogram'; readonly data: HistogramData }
    | { readonly kind: 'text'; readonly text: string }
  );
