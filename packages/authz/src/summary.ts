import { RBAC_Action } from '@xebec/protos/envoy/config/rbac/v3/rbac';
import { ASK_PREFIX, type Guard } from './guards.ts';
import { policyRule } from './policy-name.ts';

export type SummaryAction = 'DENY' | 'ALLOW' | 'AUDIT' | 'CUSTOM';

/** One policy that a proxy enforces. */
export interface PolicySummary {
  readonly action: SummaryAction;
  /** `name.namespace`, as istioctl writes it. */
  readonly policy: string;
  readonly rules: number;
  /** On trial: it decides nothing. */
  readonly dryRun: boolean;
}

const ORDER: readonly SummaryAction[] = ['CUSTOM', 'DENY', 'ALLOW', 'AUDIT'];
const ACTIONS: Readonly<Record<RBAC_Action, SummaryAction>> = {
  [RBAC_Action.ALLOW]: 'ALLOW',
  [RBAC_Action.DENY]: 'DENY',
  [RBAC_Action.LOG]: 'AUDIT',
};

/** The policies of a proxy in the order in which they are asked, each with the number of its rules. */
export function summarize(guards: readonly Guard[]): PolicySummary[] {
  const found = new Map<string, { summary: Omit<PolicySummary, 'rules'>; rules: Set<number> }>();
  const add = (name: string, action: SummaryAction, dryRun: boolean): void => {
    const rule = policyRule(name);
    const policy = rule === undefined ? name : `${rule.name}.${rule.namespace}`;
    const key = `${action} ${policy} ${dryRun}`;
    const entry = found.get(key) ?? { summary: { action, policy, dryRun }, rules: new Set() };
    entry.rules.add(rule?.rule ?? 0);
    found.set(key, entry);
  };
  for (const { steps } of guards)
    for (const step of steps) {
      if (step.kind !== 'rules') continue;
      for (const [rules, isShadow] of [
        [step.rules, false],
        [step.shadow, true],
      ] as const) {
        if (rules === undefined) continue;
        const asks = isShadow && step.shadowPrefix === ASK_PREFIX;
        for (const name of Object.keys(rules.policies)) {
          const custom = asks || policyRule(name)?.provider !== undefined;
          add(name, custom ? 'CUSTOM' : ACTIONS[rules.action], isShadow && !asks);
        }
      }
    }
  const list = [...found.values()].map(({ summary, rules }) => ({ ...summary, rules: rules.size }));
  return list.sort((a, b) => ORDER.indexOf(a.action) - ORDER.indexOf(b.action) || (a.policy < b.policy ? -1 : a.policy > b.policy ? 1 : 0));
}
