/** Envoy's default upper bounds; a last bucket takes the rest. */
export const defaultBuckets: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000,
];

/** Quantiles that `/stats` prints. */
export const printedQuantiles: readonly number[] = [0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 1];

/** Values that agree in their first two decimal digits. */
export interface HistogramBin {
  readonly lower: number;
  /** 0 for the bin of zeros. */
  readonly width: number;
  readonly count: number;
}

/** What a histogram holds, as plain data: bins that have something, from the lowest up. */
export interface HistogramData {
  readonly bins: readonly HistogramBin[];
  readonly sum: number;
  readonly count: number;
}

export const emptyHistogram: HistogramData = { bins: [], sum: 0, count: 0 };

/**
 * The value of the sample at this share of all, the values of a bin taken as spread evenly within it (Circonus' log-linear
 * histogram, which Envoy uses); NaN when nothing was recorded.
 */
export function quantile(data: HistogramData, q: number): number {
  if (data.count === 0) return Number.NaN;
  const rank = Math.max(1, Math.ceil(q * data.count));
  let seen = 0;
  for (const { lower, width, count } of data.bins) {
    if (seen + count >= rank) return lower + (width * (rank - seen)) / (count + 1);
    seen += count;
  }
  return Number.NaN;
}

/** How many values are at most each bound; a bin counts whole where it begins at the bound or below. */
export function cumulativeCounts(data: HistogramData, bounds: readonly number[]): number[] {
  let i = 0;
  let seen = 0;
  return bounds.map((bound) => {
    for (let bin = data.bins[i]; bin !== undefined && bin.lower <= bound; bin = data.bins[++i]) seen += bin.count;
    return seen;
  });
}

export function mergeHistograms(a: HistogramData, b: HistogramData): HistogramData {
  if (a.count === 0) return b;
  if (b.count === 0) return a;
  const bins: HistogramBin[] = [];
  let [i, j] = [0, 0];
  for (;;) {
    const [left, right] = [a.bins[i], b.bins[j]];
    if (left !== undefined && (right === undefined || left.lower < right.lower)) {
      bins.push(left);
      i++;
    } else if (right !== undefined && (left === undefined || right.lower < left.lower)) {
      bins.push(right);
      j++;
    } else if (left !== undefined && right !== undefined) {
      bins.push({ ...left, count: left.count + right.count });
      i++;
      j++;
    } else return { bins, sum: a.sum + b.sum, count: a.count + b.count };
  }
}
