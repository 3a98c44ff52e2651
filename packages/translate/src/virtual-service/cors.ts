import type { CorsPolicySchema } from '@xebec/protos/envoy/extensions/filters/http/cors/v3/cors';
import type { HttpRoute } from '@xebec/schemas';
import type { Fields } from '../envoy/any.ts';
import { duration } from '../envoy/duration.ts';
import { stringMatcher } from './match.ts';

/** The CORS filter's configuration of a route. */
export function corsPolicy(cors: NonNullable<HttpRoute['corsPolicy']>): Fields<typeof CorsPolicySchema> {
  // The old list counts only where the new one is not given.
  const origins = cors.allowOrigins ?? (cors.allowOrigin ?? []).map((exact) => ({ exact }));
  return {
    allowOriginStringMatch: origins.flatMap((origin) => stringMatcher(origin) ?? []),
    filterEnabled: { defaultValue: { numerator: 100 } },
    allowMethods: (cors.allowMethods ?? []).join(','),
    allowHeaders: (cors.allowHeaders ?? []).join(','),
    exposeHeaders: (cors.exposeHeaders ?? []).join(','),
    ...(cors.maxAge === undefined ? {} : { maxAge: duration(cors.maxAge).seconds.toString() }),
    ...(cors.allowCredentials === undefined ? {} : { allowCredentials: cors.allowCredentials }),
    forwardNotMatchingPreflights: cors.unmatchedPreflights !== 'IGNORE',
  };
}
