import type { Permission, Policy, Principal, RBAC } from '@xebec/protos/envoy/config/rbac/v3/rbac';
import { describePermission, describePrincipal } from './describe.ts';
import { compilePermission } from './permission.ts';
import { compilePrincipal } from './principal.ts';
import { compileRbac } from './rbac.ts';
import type { RuleContext } from './rule-context.ts';

/** One policy that was looked at. */
export interface PolicyTrial {
  readonly policy: string;
  /** The first condition that did not hold; undefined when the policy matched. */
  readonly failed: string | undefined;
}

/** The policies of an RBAC configuration in the order in which they are looked at, up to and including the one that matched. */
export function explainRbac(rules: RBAC, context: RuleContext): readonly PolicyTrial[] {
  const trials: PolicyTrial[] = [];
  for (const [name, policy] of Object.entries(rules.policies).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const failed = failedCondition(policy, context) ?? (matchesAlone(rules, name, policy, context) ? undefined : 'its CEL condition');
    trials.push({ policy: name, failed });
    if (failed === undefined) break;
  }
  return trials;
}

/** Decided by the same code that decides on requests, so that an explanation never says otherwise. */
function matchesAlone(rules: RBAC, name: string, policy: Policy, { request, info }: RuleContext): boolean {
  return compileRbac({ ...rules, policies: { [name]: policy } }).evaluate(request, info).policy !== undefined;
}

function failedCondition({ permissions, principals }: Policy, context: RuleContext): string | undefined {
  return anyOf(permissions, (one) => failedPermission(one, context)) ?? anyOf(principals, (one) => failedPrincipal(one, context));
}

/** Alternatives fail together: with one, it tells more to say what failed inside of it. */
function anyOf<T>(alternatives: readonly T[], failed: (one: T) => string | undefined): string | undefined {
  const failures: string[] = [];
  for (const one of alternatives) {
    const failure = failed(one);
    if (failure === undefined) return undefined;
    failures.push(failure);
  }
  return failures.length === 0 ? 'nothing' : [...new Set(failures)].join('; ');
}

function allOf<T>(parts: readonly T[], failed: (one: T) => string | undefined): string | undefined {
  for (const part of parts) {
    const failure = failed(part);
    if (failure !== undefined) return failure;
  }
  return undefined;
}

function failedPermission(permission: Permission, context: RuleContext): string | undefined {
  if (permission.rule.case === 'andRules') return allOf(permission.rule.value.rules, (one) => failedPermission(one, context));
  return compilePermission(permission)(context) ? undefined : describePermission(permission);
}

function failedPrincipal(principal: Principal, context: RuleContext): string | undefined {
  if (principal.identifier.case === 'andIds') return allOf(principal.identifier.value.ids, (one) => failedPrincipal(one, context));
  return compilePrincipal(principal)(context) ? undefined : describePrincipal(principal);
}
