import { errorText, XebecError } from '@xebec/core';
import { type RBAC, RBAC_Action } from '@xebec/protos/envoy/config/rbac/v3/rbac';
import type { StreamInfo } from '@xebec/telemetry';
import type { RequestHead } from '@xebec/wire';
import { compilePermission } from './permission.ts';
import { compilePrincipal } from './principal.ts';
import { anyOf } from './rule-context.ts';

export interface RbacDecision {
  readonly allowed: boolean;
  /** The first policy (in order of names) that matched; undefined when none did. */
  readonly policy: string | undefined;
}

export interface CompiledRbac {
  readonly action: 'allow' | 'deny' | 'log';
  /** `request` is undefined on a TCP connection: rules about requests see no headers and no path. */
  evaluate(request: RequestHead | undefined, info: StreamInfo): RbacDecision;
}

const actions: Record<RBAC_Action, CompiledRbac['action']> = {
  [RBAC_Action.ALLOW]: 'allow',
  [RBAC_Action.DENY]: 'deny',
  [RBAC_Action.LOG]: 'log',
};

/**
 * Compiles `envoy.config.rbac.v3.RBAC`. ALLOW needs a policy to match, DENY needs none to, LOG always allows.
 * Throws XebecError `E_RBAC` naming the policy that cannot be compiled.
 */
export function compileRbac(rules: RBAC): CompiledRbac {
  const policies = Object.entries(rules.policies)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([name, policy]) => {
      try {
        if (policy.condition !== undefined || policy.checkedCondition !== undefined) {
          throw new XebecError('E_RBAC', 'CEL conditions are not supported');
        }
        const permission = anyOf(policy.permissions.map(compilePermission));
        const principal = anyOf(policy.principals.map(compilePrincipal));
        return { name, permission, principal };
      } catch (cause) {
        throw new XebecError('E_RBAC', `policy "${name}": ${errorText(cause)}`, { cause });
      }
    });
  const action = actions[rules.action];
  return {
    action,
    evaluate(request, info) {
      const context = { request, info };
      for (const policy of policies) {
        if (policy.permission(context) && policy.principal(context)) return { allowed: action !== 'deny', policy: policy.name };
      }
      return { allowed: action !== 'allow', policy: undefined };
    },
  };
}
