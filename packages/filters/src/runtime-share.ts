import { currentFraction } from '@xebec/matching';
import type { RuntimeFeatureFlag, RuntimeFractionalPercent } from '@xebec/protos/envoy/config/core/v3/base';
import type { FilterContext } from './http-filter.ts';

/** The share of 1 that applies whenever it is asked for; `otherwise` where the configuration says nothing. */
export function shareNow(
  percent: RuntimeFractionalPercent | undefined,
  context: Pick<FilterContext, 'runtime'>,
  otherwise: number,
): () => number {
  return percent === undefined ? () => otherwise : currentFraction(percent, context.runtime);
}

/** Whether a feature is on whenever it is asked for: as the runtime says, else by the configured default, else yes. */
export function flagNow(flag: RuntimeFeatureFlag | undefined, context: Pick<FilterContext, 'runtimeFlag'>): () => boolean {
  const configured = flag?.defaultValue ?? true;
  const key = flag?.runtimeKey ?? '';
  const { runtimeFlag } = context;
  return key === '' || runtimeFlag === undefined ? () => configured : () => runtimeFlag(key) ?? configured;
}
