import { fromBinary } from '@bufbuild/protobuf';
import { errorText, XebecError } from '@xebec/core';
import { ActionSchema, type Policy, type RBAC, RBAC_Action } from '@xebec/protos/envoy/config/rbac/v3/rbac';
import type { Matcher } from '@xebec/protos/xds/type/matcher/v3/matcher';
import type { StreamInfo } from '@xebec/telemetry';
import type { RequestHead } from '@xebec/wire';
import { type CelCondition, compileOldExpr } from '../cel/cel-condition.ts';
import { compileMatcherTree } from '../matcher-tree/matcher-tree.ts';
import { compilePermission } from './permission.ts';
import { compilePrincipal } from './principal.ts';
import { anyOf } from './rule-context.ts';

export interface RbacDecision {
  readonly allowed: boolean;
  /** The first policy (in order of names) that matched; undefined when none did. */
  readonly policy: string | undefined;
  /** What `access_log_hint` is to be, where rules that log had a say. */
  readonly logHint?: boolean;
}

export interface CompiledRbac {
  /** `request` is undefined on a TCP connection: rules about requests see no headers and no path. */
  evaluate(request: RequestHead | undefined, info: StreamInfo): RbacDecision;
}

/**
 * Compiles `envoy.config.rbac.v3.RBAC`. ALLOW needs a policy to match, DENY needs none to, LOG always allows.
 * Throws XebecError `E_RBAC` naming the policy that cannot be compiled.
 */
export function compileRbac(rules: RBAC): CompiledRbac {
  const { action } = rules;
  const logs = action === RBAC_Action.LOG;
  const policies = Object.entries(rules.policies)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([name, policy]) => {
      try {
        const decision: RbacDecision = { allowed: action !== RBAC_Action.DENY, policy: name, ...(logs ? { logHint: true } : {}) };
        const condition = compileCondition(policy);
        const permission = anyOf(policy.permissions.map(compilePermission));
        const principal = anyOf(policy.principals.map(compilePrincipal));
        return { permission, principal, condition, decision };
      } catch (cause) {
        throw new XebecError('E_RBAC', `policy "${name}": ${errorText(cause)}`, { cause });
      }
    });
  const unmatched: RbacDecision = {
    allowed: action !== RBAC_Action.ALLOW,
    policy: undefined,
    ...(logs ? { logHint: false } : {}),
  };
  return {
    evaluate(request, info) {
      const context = { request, info };
      for (const { permission, principal, condition, decision } of policies)
        if (permission(context) && principal(context) && (condition === undefined || condition(context))) return decision;
      return unmatched;
    },
  };
}

function compileCondition({ condition, checkedCondition }: Policy): CelCondition | undefined {
  const expr = checkedCondition?.expr ?? condition;
  return expr === undefined ? undefined : compileOldExpr(expr);
}

/**
 * Compiles a matcher tree whose actions are `envoy.config.rbac.v3.Action`. What nothing matches is denied. Throws XebecError.
 */
export function compileRbacMatcher(matcher: Matcher, place: 'rbac' | 'network-rbac'): CompiledRbac {
  let logs = false;
  const tree = compileMatcherTree(matcher, place, ({ name, typedConfig }) => {
    if (typedConfig === undefined || !typedConfig.typeUrl.endsWith(`/${ActionSchema.typeName}`))
      throw new XebecError('E_RBAC', `matcher action "${name}" is not supported; use ${ActionSchema.typeName}`);
    const action = fromBinary(ActionSchema, typedConfig.value);
    if (action.action === RBAC_Action.LOG) logs = true;
    return { policy: action.name, allowed: action.action !== RBAC_Action.DENY, isLog: action.action === RBAC_Action.LOG };
  });
  return {
    evaluate(request, info) {
      const found = tree({ request, info });
      if (found === undefined) return { allowed: false, policy: undefined };
      return logs ? { allowed: found.allowed, policy: found.policy, logHint: found.isLog } : found;
    },
  };
}
