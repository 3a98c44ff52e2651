import type { RuntimeFractionalPercent } from '@xebec/protos/envoy/config/core/v3/base';
import { type FractionalPercent, FractionalPercent_DenominatorType } from '@xebec/protos/envoy/type/v3/percent';

/** Reads a fraction of the runtime; undefined when the key is not there. */
export type RuntimeFraction = (key: string) => number | undefined;

/** The share of 1 that applies now: the runtime's, else the configured default. */
export function currentFraction(percent: RuntimeFractionalPercent | undefined, runtime: RuntimeFraction | undefined): () => number {
  const share = fractionOf(percent?.defaultValue);
  const key = percent?.runtimeKey ?? '';
  return key === '' || runtime === undefined ? () => share : () => runtime(key) ?? share;
}

/** The share of 1 that a FractionalPercent stands for; undefined stands for everything. */
export function fractionOf(percent: FractionalPercent | undefined): number {
  if (percent === undefined) return 1;
  const denominators: Record<FractionalPercent_DenominatorType, number> = {
    [FractionalPercent_DenominatorType.HUNDRED]: 100,
    [FractionalPercent_DenominatorType.TEN_THOUSAND]: 10_000,
    [FractionalPercent_DenominatorType.MILLION]: 1_000_000,
  };
  return Math.min(1, percent.numerator / denominators[percent.denominator]);
}
