import { XebecError } from '@xebec/core';
import { compileRbac, durationMs } from '@xebec/matching';
import { RBAC_EnforcementType, RBACSchema } from '@xebec/protos/envoy/extensions/filters/network/rbac/v3/rbac';
import { decodeConfig } from '../../decode.ts';
import type { NetworkFilterDefinition } from '../../network-filter.ts';
import { createNetworkRbacFilter } from './filter.ts';

export const networkRbacDefinition: NetworkFilterDefinition = {
  name: 'envoy.filters.network.rbac',
  typeNames: [RBACSchema.typeName],
  compile(bytes, _, context) {
    const config = decodeConfig(RBACSchema, bytes);
    if (config.matcher !== undefined || config.shadowMatcher !== undefined) {
      throw new XebecError('E_FILTER_CONFIG', 'envoy.filters.network.rbac: matcher is not supported; use rules');
    }
    const scope = context.stats.scope(`${config.statPrefix.replace(/\.$/, '')}.rbac`.replace(/^\./, ''));
    const shadowScope = config.shadowRulesStatPrefix.replace(/\.$/, '');
    const shadow = shadowScope === '' ? scope : scope.scope(shadowScope);
    const compiled = {
      rules: config.rules === undefined ? undefined : compileRbac(config.rules),
      shadowRules: config.shadowRules === undefined ? undefined : compileRbac(config.shadowRules),
      shadowPrefix: config.shadowRulesStatPrefix,
      continuous: config.enforcementType === RBAC_EnforcementType.CONTINUOUS,
      delayDenyMs: config.delayDeny === undefined ? 0 : durationMs(config.delayDeny),
      allowed: scope.counter('allowed'),
      denied: scope.counter('denied'),
      shadowAllowed: shadow.counter('shadow_allowed'),
      shadowDenied: shadow.counter('shadow_denied'),
    };
    return { create: (callbacks) => createNetworkRbacFilter(compiled, callbacks) };
  },
};
