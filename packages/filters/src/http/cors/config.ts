import { compileStringMatcher, currentFraction } from '@xebec/matching';
import { CorsPolicySchema, CorsSchema } from '@xebec/protos/envoy/extensions/filters/http/cors/v3/cors';
import { decodeConfig } from '../../decode.ts';
import { type HttpFilterDefinition, passiveFilter } from '../../http-filter.ts';
import { type CorsPolicy, createCorsFilter } from './filter.ts';

const name = 'envoy.filters.http.cors';

export const corsDefinition: HttpFilterDefinition = {
  name,
  typeNames: [CorsSchema.typeName, CorsPolicySchema.typeName],
  compile(bytes, _, context) {
    decodeConfig(CorsSchema, bytes);
    const scope = context.stats.scope(`http.${context.statPrefix}`);
    const stats = { valid: scope.counter('cors.origin_valid'), invalid: scope.counter('cors.origin_invalid') };
    return {
      create: (callbacks) => {
        const policy = callbacks.perRouteConfig(context.filterName) as CorsPolicy | undefined; // what compilePerRoute below returned
        return policy === undefined ? passiveFilter : createCorsFilter(policy, stats, context, callbacks);
      },
    };
  },
  compilePerRoute(bytes): CorsPolicy {
    const policy = decodeConfig(CorsPolicySchema, bytes);
    const origins = policy.allowOriginStringMatch.map(compileStringMatcher);
    return {
      allows: (origin) => origins.some((matches) => matches('*') || matches(origin)),
      allowMethods: policy.allowMethods,
      allowHeaders: policy.allowHeaders,
      exposeHeaders: policy.exposeHeaders,
      maxAge: policy.maxAge,
      allowCredentials: policy.allowCredentials ?? false,
      allowPrivateNetworkAccess: policy.allowPrivateNetworkAccess ?? false,
      forwardNotMatchingPreflights: policy.forwardNotMatchingPreflights ?? true,
      enabled: (runtime) => currentFraction(policy.filterEnabled, runtime)(),
      shadow: (runtime) => (policy.shadowEnabled === undefined ? 0 : currentFraction(policy.shadowEnabled, runtime)()),
    };
  },
};
