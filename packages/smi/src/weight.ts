const SCALES: Readonly<Record<string, number>> = { '': 1, m: 1e-3, k: 1e3, M: 1e6, G: 1e9 };

/** A weight: a number, or in v1alpha1 a Kubernetes quantity such as `500m`. Undefined when it is neither, or negative. */
export function parseWeight(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? value : undefined;
  if (typeof value !== 'string') return undefined;
  const [, digits = '', suffix = ''] = /^(\d+(?:\.\d+)?)([mkMG]?)$/.exec(value) ?? [];
  const scale = SCALES[suffix];
  return digits === '' || scale === undefined ? undefined : Number(digits) * scale;
}

/** Weights of the largest whole numbers that are needed to keep their ratio. */
export function wholeWeights(weights: readonly number[]): readonly number[] {
  if (weights.every((weight) => Number.isInteger(weight) && weight <= 1_000_000)) return weights;
  const largest = Math.max(...weights);
  return weights.map((weight) => Math.round((weight / largest) * 10_000));
}
