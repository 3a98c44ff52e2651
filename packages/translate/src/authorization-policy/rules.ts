import { type PolicySchema, RBAC_Action, type RBACSchema } from '@xebec/protos/envoy/config/rbac/v3/rbac';
import type { AuthorizationPolicySpec, AuthorizationRule, ConfigObject } from '@xebec/schemas';
import type { Fields } from '../envoy/any.ts';
import type { Untellable } from './attribute.ts';
import { isPermissionCondition, type Permission, permissionOf } from './permissions.ts';
import { isPrincipalCondition, type Principal, principalOf } from './principals.ts';

export type AuthorizationPolicy = ConfigObject<AuthorizationPolicySpec>;
type Policy = Fields<typeof PolicySchema>;

export interface RuleView {
  readonly trustDomains: readonly string[];
  /** Whether there is no HTTP to tell by. */
  readonly tcp: boolean;
  readonly untellable: Untellable;
}

/** `ns[NS]-policy[NAME]-rule[i]`: the name that denials are logged by. */
export function ruleName(policy: AuthorizationPolicy, index: number): string {
  return `ns[${policy.metadata.namespace}]-policy[${policy.metadata.name}]-rule[${index}]`;
}

export interface RulesView {
  readonly trustDomains: readonly string[];
  readonly tcp: boolean;
  /** Of the names of rules. */
  readonly prefix?: string;
  readonly suffix?: string;
}

/** Policies of one action as RBAC rules; a policy without rules matches nothing. */
export function rbacRules(policies: readonly AuthorizationPolicy[], action: RBAC_Action, view: RulesView): Fields<typeof RBACSchema> {
  const { trustDomains, tcp, prefix = '', suffix = '' } = view;
  const untellable = action === RBAC_Action.ALLOW ? 'drop-rule' : 'drop-value';
  const out: Record<string, Policy> = {};
  for (const policy of policies) {
    const rules = policy.spec.rules ?? [];
    const name = (index: number) => `${prefix}${ruleName(policy, index)}${suffix}`;
    if (rules.length === 0) out[name(0)] = NEVER;
    for (const [index, rule] of rules.entries()) {
      const translated = translate(rule, policy.metadata.namespace, { trustDomains, tcp, untellable });
      if (translated !== undefined) out[name(index)] = translated;
    }
  }
  return { action, policies: out };
}

const NEVER: Policy = {
  permissions: [{ rule: { case: 'notRule', value: { rule: { case: 'any', value: true } } } }],
  principals: [{ identifier: { case: 'notId', value: { identifier: { case: 'any', value: true } } } }],
};

/** Undefined: the rule has no part in what is enforced, so an ALLOW rule allows nothing and a DENY rule denies nothing. */
function translate(rule: AuthorizationRule, policyNamespace: string, view: RuleView): Policy | undefined {
  const conditions = rule.when ?? [];
  // A condition nobody knows could not be checked: a rule with it never matches.
  if (conditions.some(({ key }) => !isPrincipalCondition(key) && !isPermissionCondition(key))) return undefined;
  const sources = rule.from === undefined || rule.from.length === 0 ? [{}] : rule.from.map((from) => from.source ?? {});
  const operations = rule.to === undefined || rule.to.length === 0 ? [{}] : rule.to.map((to) => to.operation ?? {});
  const principals: Principal[] = [];
  for (const source of sources) {
    const principal = principalOf(source, conditions, view, policyNamespace);
    if (principal === undefined) return undefined;
    principals.push(principal);
  }
  const permissions: Permission[] = [];
  for (const operation of operations) {
    const permission = permissionOf(operation, conditions, view);
    if (permission === undefined) return undefined;
    permissions.push(permission);
  }
  return { principals, permissions };
}
