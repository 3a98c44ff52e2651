import type { PolicySchema, RBAC_Action, RBACSchema } from '@xebec/protos/envoy/config/rbac/v3/rbac';
import type { AuthorizationPolicySpec, AuthorizationRule, ConfigObject } from '@xebec/schemas';
import type { Fields } from '../envoy/any.ts';
import { isPermissionCondition, type Permission, permissionOf } from './permissions.ts';
import { isPrincipalCondition, type Principal, principalOf } from './principals.ts';

export type AuthorizationPolicy = ConfigObject<AuthorizationPolicySpec>;
type Policy = Fields<typeof PolicySchema>;

export interface RuleView {
  readonly trustDomains: readonly string[];
  /** What becomes of a rule that speaks of HTTP where there is only TCP: ALLOW drops it, DENY denies more. */
  readonly transport: 'http' | 'drop' | 'broaden';
}

/** `ns[NS]-policy[NAME]-rule[i]`: the name that denials are logged by. */
export function ruleName(policy: AuthorizationPolicy, index: number): string {
  return `ns[${policy.metadata.namespace}]-policy[${policy.metadata.name}]-rule[${index}]`;
}

/** Policies of one action as RBAC rules; a policy without rules matches nothing. */
export function rbacRules(policies: readonly AuthorizationPolicy[], action: RBAC_Action, view: RuleView): Fields<typeof RBACSchema> {
  const out: Record<string, Policy> = {};
  for (const policy of policies) {
    const rules = policy.spec.rules ?? [];
    if (rules.length === 0) out[ruleName(policy, 0)] = NEVER;
    for (const [index, rule] of rules.entries()) {
      const translated = translate(rule, policy.metadata.namespace, view);
      if (translated !== undefined) out[ruleName(policy, index)] = translated;
    }
  }
  return { action, policies: out };
}

const NEVER: Policy = {
  permissions: [{ rule: { case: 'notRule', value: { rule: { case: 'any', value: true } } } }],
  principals: [{ identifier: { case: 'notId', value: { identifier: { case: 'any', value: true } } } }],
};

function translate(rule: AuthorizationRule, policyNamespace: string, view: RuleView): Policy | undefined {
  const conditions = rule.when ?? [];
  // A condition nobody knows could not be checked: a rule with it never matches.
  if (conditions.some(({ key }) => !isPrincipalCondition(key) && !isPermissionCondition(key))) return NEVER;
  const sources = rule.from === undefined || rule.from.length === 0 ? [{}] : rule.from.map((from) => from.source ?? {});
  const operations = rule.to === undefined || rule.to.length === 0 ? [{}] : rule.to.map((to) => to.operation ?? {});
  const principals: Principal[] = [];
  for (const source of sources) {
    const principal = principalOf(source, conditions, { trustDomains: view.trustDomains, policyNamespace }, view.transport);
    if (principal !== undefined) principals.push(principal);
  }
  const permissions: Permission[] = [];
  for (const operation of operations) {
    const permission = permissionOf(operation, conditions, view.transport);
    if (permission !== undefined) permissions.push(permission);
  }
  // On TCP nothing of an ALLOW rule may be left: then it allows nothing.
  if (principals.length === 0 || permissions.length === 0) return undefined;
  return { principals, permissions };
}
