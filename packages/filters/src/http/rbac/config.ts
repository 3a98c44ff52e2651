import { type CompiledRbac, compileRbac, compileRbacMatcher } from '@xebec/matching';
import type { RBAC as Rules } from '@xebec/protos/envoy/config/rbac/v3/rbac';
import { type RBAC, RBACPerRouteSchema, RBACSchema } from '@xebec/protos/envoy/extensions/filters/http/rbac/v3/rbac';
import type { Matcher } from '@xebec/protos/xds/type/matcher/v3/matcher';
import { decodeConfig } from '../../decode.ts';
import { type HttpFilterDefinition, passiveFilter } from '../../http-filter.ts';
import { type CompiledRbacConfig, createRbacFilter, rbacStats } from './filter.ts';

const name = 'envoy.filters.http.rbac';

/** `null` is a route that switches the filter off. */
export type RbacPerRoute = CompiledRbacConfig | null;

function compileConfig(config: RBAC): CompiledRbacConfig {
  return {
    rules: compileEither(config.rules, config.matcher),
    shadowRules: compileEither(config.shadowRules, config.shadowMatcher),
    rulesPrefix: config.rulesStatPrefix,
    shadowPrefix: config.shadowRulesStatPrefix,
  };
}

/** A matcher counts where rules stand beside it, as in Envoy. */
export function compileEither(
  rules: Rules | undefined,
  matcher: Matcher | undefined,
  place: 'rbac' | 'network-rbac' = 'rbac',
): CompiledRbac | undefined {
  if (matcher !== undefined) return compileRbacMatcher(matcher, place);
  return rules === undefined ? undefined : compileRbac(rules);
}

export const rbacDefinition: HttpFilterDefinition = {
  name,
  typeNames: [RBACSchema.typeName, RBACPerRouteSchema.typeName],
  compile(bytes, _, context) {
    const config = compileConfig(decodeConfig(RBACSchema, bytes));
    const stats = rbacStats(context.stats.scope(`http.${context.statPrefix}`), config);
    // Verdicts by a route's rules are noted under its prefixes, or under the filter's where it has none.
    const prefixed = new WeakMap<CompiledRbacConfig, CompiledRbacConfig>();
    const underPrefix = (override: CompiledRbacConfig): CompiledRbacConfig => {
      let own = prefixed.get(override);
      if (own === undefined) {
        const rulesPrefix = override.rulesPrefix === '' ? config.rulesPrefix : override.rulesPrefix;
        own = { ...override, rulesPrefix, shadowPrefix: override.shadowPrefix === '' ? config.shadowPrefix : override.shadowPrefix };
        prefixed.set(override, own);
      }
      return own;
    };
    return {
      create: (callbacks) => {
        const override = callbacks.perRouteConfig(context.filterName) as RbacPerRoute | undefined; // what compilePerRoute below returned
        if (override === null) return passiveFilter;
        return createRbacFilter(override === undefined ? config : underPrefix(override), stats, callbacks);
      },
    };
  },
  compilePerRoute(bytes): RbacPerRoute {
    const { rbac } = decodeConfig(RBACPerRouteSchema, bytes);
    return rbac === undefined ? null : compileConfig(rbac);
  },
};
