import { XebecError } from '@xebec/core';
import { compileRbac } from '@xebec/matching';
import { type RBAC, RBACPerRouteSchema, RBACSchema } from '@xebec/protos/envoy/extensions/filters/http/rbac/v3/rbac';
import { decodeConfig } from '../../decode.ts';
import { type HttpFilterDefinition, passiveFilter } from '../../http-filter.ts';
import { type CompiledRbacConfig, createRbacFilter, rbacStats } from './filter.ts';

const name = 'envoy.filters.http.rbac';

/** `null` is a route that switches the filter off. */
export type RbacPerRoute = CompiledRbacConfig | null;

function compileConfig(config: RBAC): CompiledRbacConfig {
  if (config.matcher !== undefined || config.shadowMatcher !== undefined) {
    throw new XebecError('E_FILTER_CONFIG', `${name}: matcher is not supported; use rules`);
  }
  return {
    rules: config.rules === undefined ? undefined : compileRbac(config.rules),
    shadowRules: config.shadowRules === undefined ? undefined : compileRbac(config.shadowRules),
    rulesPrefix: config.rulesStatPrefix,
    shadowPrefix: config.shadowRulesStatPrefix,
  };
}

export const rbacDefinition: HttpFilterDefinition = {
  name,
  typeNames: [RBACSchema.typeName, RBACPerRouteSchema.typeName],
  compile(bytes, _, context) {
    const config = compileConfig(decodeConfig(RBACSchema, bytes));
    const stats = rbacStats(context.stats.scope(`http.${context.statPrefix}`), config);
    return {
      create: (callbacks) => {
        const override = callbacks.perRouteConfig(context.filterName) as RbacPerRoute | undefined; // what compilePerRoute below returned
        return override === null ? passiveFilter : createRbacFilter(override ?? config, stats, callbacks);
      },
    };
  },
  compilePerRoute(bytes): RbacPerRoute {
    const { rbac } = decodeConfig(RBACPerRouteSchema, bytes);
    return rbac === undefined ? null : compileConfig(rbac);
  },
};
