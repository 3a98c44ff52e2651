import { XebecError } from '@xebec/core';
import { durationMs } from '@xebec/matching';
import type { Permission, Principal } from '@xebec/protos/envoy/config/rbac/v3/rbac';
import { RBAC_EnforcementType, RBACSchema } from '@xebec/protos/envoy/extensions/filters/network/rbac/v3/rbac';
import { decodeConfig } from '../../decode.ts';
import { compileEither } from '../../http/rbac/config.ts';
import type { NetworkFilterDefinition } from '../../network-filter.ts';
import { createNetworkRbacFilter } from './filter.ts';

export const networkRbacDefinition: NetworkFilterDefinition = {
  name: 'envoy.filters.network.rbac',
  typeNames: [RBACSchema.typeName],
  compile(bytes, _, context) {
    const config = decodeConfig(RBACSchema, bytes);
    for (const policy of [config.rules, config.shadowRules].flatMap((rules) => Object.values(rules?.policies ?? {}))) {
      for (const permission of policy.permissions) refuseHeaders(permission);
      for (const principal of policy.principals) refuseHeadersOf(principal);
    }
    const scope = context.stats.scope(`${config.statPrefix.replace(/\.$/, '')}.rbac`.replace(/^\./, ''));
    const shadowScope = config.shadowRulesStatPrefix.replace(/\.$/, '');
    const shadow = shadowScope === '' ? scope : scope.scope(shadowScope);
    const compiled = {
      rules: compileEither(config.rules, config.matcher, 'network-rbac'),
      shadowRules: compileEither(config.shadowRules, config.shadowMatcher, 'network-rbac'),
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

/** A connection has no headers; Envoy refuses rules about them instead of having them never match. */
function refuseHeaders({ rule }: Permission): void {
  if (rule.case === 'header') throw noHeaders(rule.value.name);
  if (rule.case === 'notRule') refuseHeaders(rule.value);
  if (rule.case === 'andRules' || rule.case === 'orRules') for (const part of rule.value.rules) refuseHeaders(part);
}

function refuseHeadersOf({ identifier }: Principal): void {
  if (identifier.case === 'header') throw noHeaders(identifier.value.name);
  if (identifier.case === 'notId') refuseHeadersOf(identifier.value);
  if (identifier.case === 'andIds' || identifier.case === 'orIds') for (const part of identifier.value.ids) refuseHeadersOf(part);
}

function noHeaders(header: string): XebecError {
  return new XebecError('E_FILTER_CONFIG', `envoy.filters.network.rbac: a rule about the header "${header}" is not supported on TCP`);
}
