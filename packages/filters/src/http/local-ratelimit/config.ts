import { type LocalRateLimit, LocalRateLimitSchema } from '@xebec/protos/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit';
import { decodeConfig } from '../../decode.ts';
import type { FilterContext, HttpFilterDefinition } from '../../http-filter.ts';
import { LocalRateLimitFilter } from './filter.ts';
import { compileLimit, type Limit } from './limit.ts';

interface RouteLimit {
  readonly proto: LocalRateLimit;
  readonly bytes: Uint8Array;
  readonly place: string;
}

export const localRateLimitDefinition: HttpFilterDefinition = {
  name: 'envoy.filters.http.local_ratelimit',
  typeNames: [LocalRateLimitSchema.typeName],
  compile(bytes, _, context) {
    const limit = compileLimit(decodeConfig(LocalRateLimitSchema, bytes), context, bucketName(bytes, context));
    const byRoute = new WeakMap<RouteLimit, Limit>();
    return {
      create(callbacks) {
        // What compilePerRoute below returned: decoded with the route, its buckets come from the filter that has the clock.
        const override = callbacks.perRouteConfig(context.filterName) as RouteLimit | undefined;
        if (override === undefined) return new LocalRateLimitFilter(limit, context, callbacks);
        const known = byRoute.get(override) ?? compileLimit(override.proto, context, bucketName(override.bytes, context, override.place));
        byRoute.set(override, known);
        return new LocalRateLimitFilter(known, context, callbacks);
      },
    };
  },
  compilePerRoute: (bytes, _, place = ''): RouteLimit => ({ proto: decodeConfig(LocalRateLimitSchema, bytes), bytes, place }),
};

/** Buckets that are configured otherwise are others, and start full. */
function bucketName(bytes: Uint8Array, { place, statPrefix, filterName }: FilterContext, routePlace = ''): string {
  return `http ${place} ${statPrefix} ${filterName} ${routePlace} ${Buffer.from(bytes).toString('base64')}`;
}
