import { XebecError } from '@xebec/core';
import { compileHeaderMatcher, optionalDurationMs } from '@xebec/matching';
import { HealthCheckSchema } from '@xebec/protos/envoy/extensions/filters/http/health_check/v3/health_check';
import { decodeConfig } from '../../decode.ts';
import type { HttpFilterDefinition } from '../../http-filter.ts';
import { createHealthCheckFilter, createHealthMark, healthCheckKey } from './filter.ts';

export const healthCheckDefinition: HttpFilterDefinition = {
  name: healthCheckKey,
  typeNames: [HealthCheckSchema.typeName],
  compile(bytes, _, context) {
    const proto = decodeConfig(HealthCheckSchema, bytes);
    const passThrough = proto.passThroughMode;
    const cacheMs = optionalDurationMs(proto.cacheTime) ?? 0;
    const minimums = Object.entries(proto.clusterMinHealthyPercentages).map(([cluster, { value }]) => ({ cluster, percent: value }));
    if (passThrough === undefined) throw new XebecError('E_FILTER_CONFIG', `${healthCheckKey}: pass_through_mode is required`);
    if (!passThrough && cacheMs > 0) throw new XebecError('E_FILTER_CONFIG', `${healthCheckKey}: cache_time needs pass_through_mode`);
    if (passThrough && minimums.length > 0)
      throw new XebecError('E_FILTER_CONFIG', `${healthCheckKey}: cluster_min_healthy_percentages must not be set with pass_through_mode`);
    const matchers = proto.headers.map(compileHeaderMatcher);
    const config = { context, passThrough, cacheMs, minimums, cache: { status: 0, until: 0 } };
    return {
      create: (callbacks) =>
        matchers.every((matches) => matches(callbacks.request)) ? createHealthCheckFilter(config, callbacks) : createHealthMark(context),
    };
  },
};
