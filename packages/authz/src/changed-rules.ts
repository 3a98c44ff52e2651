import type { RBAC } from '@xebec/protos/envoy/config/rbac/v3/rbac';
import { RBAC_Action } from '@xebec/protos/envoy/config/rbac/v3/rbac';
import { ASK_PREFIX, type Guard, type GuardStep } from './guards.ts';
import { policyRule } from './policy-name.ts';

/** Policies that are to replace those that a proxy runs. */
export interface PolicyChange {
  /** `namespace/name` of every policy that goes, be it that it is changed or that it is taken away. */
  readonly replaced: ReadonlySet<string>;
  /** What becomes of the policies that come, for HTTP and for plain TCP. */
  readonly http: readonly GuardStep[];
  readonly tcp: readonly GuardStep[];
}

/** The order of Istio's chain. */
const ORDER = [RBAC_Action.LOG, RBAC_Action.DENY, RBAC_Action.ALLOW];

/** What a guard consists of after a change: all rules of the policies that go are gone, those that come are there. */
export function changedSteps({ protocol, steps }: Guard, { replaced, http, tcp }: PolicyChange): GuardStep[] {
  const incoming = (protocol === 'http' ? http : tcp).flatMap(askingInstead);
  const custom: GuardStep[] = [];
  const tokens = steps.filter(({ kind }) => kind === 'tokens');
  const kept = steps.flatMap((step): GuardStep[] => {
    if (step.kind !== 'rules') return step.kind === 'provider' ? [step] : [];
    const rules = without(step.rules, replaced);
    const shadow = without(step.shadow, replaced);
    return rules === undefined && shadow === undefined ? [] : [{ ...step, rules, shadow }];
  });
  const isCustom = (step: GuardStep): boolean =>
    step.kind === 'provider' || (step.kind === 'rules' && [step.rules, step.shadow].some((rules) => namesProvider(rules)));
  for (const step of [...kept, ...incoming]) if (isCustom(step)) custom.push(step);
  const plain = [...kept, ...incoming].filter((step) => step.kind === 'rules' && !isCustom(step));
  const merged = ORDER.flatMap((action): GuardStep[] => {
    const of = plain.flatMap((step) => (step.kind === 'rules' ? [step] : []));
    const rules = union(of.map((step) => step.rules).filter((one) => one?.action === action));
    const shadow = union(of.map((step) => step.shadow).filter((one) => one?.action === action));
    return rules === undefined && shadow === undefined ? [] : [{ kind: 'rules', rules, shadow, shadowPrefix: '' }];
  });
  return [...custom, ...tokens, ...merged];
}

/** Files of policies say nothing of the services of providers: they are taken to be there. */
function askingInstead(step: GuardStep): GuardStep[] {
  if (step.kind !== 'rules' || !Object.keys(step.rules?.policies ?? {}).some((name) => policyRule(name)?.withoutProvider)) return [step];
  return [
    { kind: 'rules', rules: undefined, shadow: step.rules, shadowPrefix: ASK_PREFIX },
    { kind: 'provider', cluster: '', condition: 'marked' },
  ];
}

function without(rules: RBAC | undefined, replaced: ReadonlySet<string>): RBAC | undefined {
  if (rules === undefined) return undefined;
  const entries = Object.entries(rules.policies);
  const left = entries.filter(([name]) => {
    const policy = policyRule(name);
    return policy === undefined || !replaced.has(`${policy.namespace}/${policy.name}`);
  });
  if (left.length === entries.length) return rules;
  // Without any policy of its action left, the filter itself would not be there.
  return left.length === 0 ? undefined : { ...rules, policies: Object.fromEntries(left) };
}

function union(list: readonly (RBAC | undefined)[]): RBAC | undefined {
  const [first, ...more] = list.filter((one) => one !== undefined);
  return first === undefined
    ? undefined
    : { ...first, policies: Object.assign({}, first.policies, ...more.map(({ policies }) => policies)) };
}

function namesProvider(rules: RBAC | undefined): boolean {
  return Object.keys(rules?.policies ?? {}).some((name) => name.startsWith('istio-ext-authz-'));
}
