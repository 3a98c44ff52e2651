import { FractionalPercent_DenominatorType } from '@xebec/protos/envoy/type/v3/percent';

/** A whole percentage in hundredths. */
export function hundredths(percent: number) {
  return { numerator: percent, denominator: FractionalPercent_DenominatorType.HUNDRED };
}

/** A percentage (0 to 100, with fractions) in millionths, cut off after them. */
export function millionths(percent: number) {
  return { numerator: Math.trunc(percent * 10_000), denominator: FractionalPercent_DenominatorType.MILLION };
}
