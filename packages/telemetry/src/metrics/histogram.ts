/** Envoy's default upper bounds; a last bucket takes the rest. */
export const defaultBuckets: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000,
];

/** Quantiles that `/stats` prints. */
export const printedQuantiles: readonly number[] = [0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 1];

/** What a histogram holds, as plain data. */
export interface HistogramData {
  readonly bounds: readonly number[];
  /** One more than `bounds`; not cumulative. */
  readonly counts: readonly number[];
  readonly sum: number;
  readonly count: number;
}

/** Where the quantile lies, interpolated within its bucket; NaN when nothing was recorded. */
export function quantile(data: HistogramData, q: number): number {
  if (data.count === 0) return Number.NaN;
  const rank = q * data.count;
  let seen = 0;
  for (const [i, count] of data.counts.entries()) {
    if (count === 0) continue;
    const low = i === 0 ? 0 : (data.bounds[i - 1] ?? 0);
    const high = data.bounds[i] ?? low;
    if (seen + count >= rank) return low + ((high - low) * Math.max(0, rank - seen)) / count;
    seen += count;
  }
  return data.bounds.at(-1) ?? Number.NaN;
}

export function mergeHistograms(a: HistogramData, b: HistogramData): HistogramData {
  return { bounds: a.bounds, counts: a.counts.map((count, i) => count + (b.counts[i] ?? 0)), sum: a.sum + b.sum, count: a.count + b.count };
}
