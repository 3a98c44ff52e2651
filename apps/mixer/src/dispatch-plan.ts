import type { CompiledAction, CompiledHandler, CompiledInstance, CompiledRule, Variety } from '@xebec/policy';
import type { CompiledPolicy } from './policy-compiler.ts';

/** Rules of this namespace apply to every service. */
export const CONFIG_NAMESPACE = 'istio-system';

/** What one action of a rule sends to its handler. */
export interface Step {
  readonly actionName: string;
  readonly handler: CompiledHandler;
  readonly instances: readonly CompiledInstance[];
}

/** What rules are sorted by: what their instances ask for, and `DIRECT` for header operations. */
export type PlannedVariety = Variety | 'DIRECT';

/** A rule as one variety sees it. */
export interface PlannedRule {
  readonly rule: CompiledRule;
  readonly steps: readonly Step[];
}

/** A policy sorted by what is asked of it: rules of the config namespace first, then those of the namespace in question. */
export class DispatchPlan {
  readonly #rules = new Map<PlannedVariety, NamespacedRules>();

  constructor({ rules }: CompiledPolicy) {
    for (const variety of ['ATTRIBUTE_GENERATOR', 'CHECK', 'QUOTA', 'REPORT'] as const) {
      const planned = rules.flatMap((rule): PlannedRule[] => {
        const steps = rule.actions.flatMap((action) => stepOf(action, variety));
        return steps.length === 0 ? [] : [{ rule, steps }];
      });
      this.#rules.set(variety, new NamespacedRules(planned));
    }
    const directing = rules.filter(({ requestHeaders, responseHeaders }) => requestHeaders.length + responseHeaders.length > 0);
    this.#rules.set('DIRECT', new NamespacedRules(directing.map((rule) => ({ rule, steps: [] }))));
  }
  /** Whether any rule of this variety exists. */
  has(variety: PlannedVariety): boolean {
    return this.#rules.get(variety)?.empty === false;
  }
  rules(variety: PlannedVariety): NamespacedRules {
    return this.#rules.get(variety) ?? NamespacedRules.none;
  }
}

/** Rules by the namespace that a request belongs to. */
export class NamespacedRules {
  static readonly none = new NamespacedRules([]);
  readonly #everywhere: readonly PlannedRule[];
  readonly #byNamespace = new Map<string, readonly PlannedRule[]>();
  readonly empty: boolean;

  constructor(planned: readonly PlannedRule[]) {
    this.empty = planned.length === 0;
    this.#everywhere = planned.filter(({ rule }) => rule.namespace === CONFIG_NAMESPACE);
    for (const namespace of new Set(planned.map(({ rule }) => rule.namespace))) {
      if (namespace === CONFIG_NAMESPACE) continue;
      const own = planned.filter(({ rule }) => rule.namespace === namespace);
      this.#byNamespace.set(namespace, [...this.#everywhere, ...own]);
    }
  }
  /** Whether the answer depends on the request's namespace. */
  get varies(): boolean {
    return this.#byNamespace.size > 0;
  }
  of(namespace: string | undefined): readonly PlannedRule[] {
    return (namespace === undefined ? undefined : this.#byNamespace.get(namespace)) ?? this.#everywhere;
  }
}

function stepOf({ name, handler, instances }: CompiledAction, variety: Variety): Step[] {
  const own = instances.filter(({ template }) => template.variety === variety);
  return own.length === 0 ? [] : [{ actionName: name, handler, instances: own }];
}
