import { type LocalRateLimit, LocalRateLimitSchema } from '@xebec/protos/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit';
import { decodeConfig } from '../../decode.ts';
import type { HttpFilterDefinition } from '../../http-filter.ts';
import { LocalRateLimitFilter } from './filter.ts';
import { compileLimit, type Limit } from './limit.ts';

export const localRateLimitDefinition: HttpFilterDefinition = {
  name: 'envoy.filters.http.local_ratelimit',
  typeNames: [LocalRateLimitSchema.typeName],
  compile(bytes, _, context) {
    const limit = compileLimit(decodeConfig(LocalRateLimitSchema, bytes), context);
    const byRoute = new WeakMap<LocalRateLimit, Limit>();
    return {
      create(callbacks) {
        // What compilePerRoute below returned: decoded with the route, its buckets come from the filter that has the clock.
        const override = callbacks.perRouteConfig(context.filterName) as LocalRateLimit | undefined;
        if (override === undefined) return new LocalRateLimitFilter(limit, context, callbacks);
        const known = byRoute.get(override) ?? compileLimit(override, context);
        byRoute.set(override, known);
        return new LocalRateLimitFilter(known, context, callbacks);
      },
    };
  },
  compilePerRoute: (bytes) => decodeConfig(LocalRateLimitSchema, bytes),
};
