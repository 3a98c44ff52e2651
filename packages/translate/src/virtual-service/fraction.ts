import { FractionalPercent_DenominatorType } from '@xebec/protos/envoy/type/v3/percent';

/** A percentage (0 to 100, with fractions) in millionths. */
export function millionths(percent: number) {
  return { numerator: Math.round(percent * 10_000), denominator: FractionalPercent_DenominatorType.MILLION };
}
