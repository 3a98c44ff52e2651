import type { Clock, Logger, Random } from '@xebec/core';
import type { AttributeBag, AttributeValue, ReferenceTracker } from '@xebec/expressions';
import {
  bindOutputs,
  type CheckResult,
  type CompiledHeaderOperation,
  type CompiledRule,
  type InstanceValue,
  type Outputs,
  type QuotaArguments,
  type QuotaGrant,
  type SamplingEnvironment,
  withOutputs,
} from '@xebec/policy';
import { combineChecks, DEFAULT_VALIDITY, INTERNAL, UNAVAILABLE } from './combine-checks.ts';
import { DispatchPlan, type PlannedRule, type PlannedVariety, type Step } from './dispatch-plan.ts';
import { type Called, HandlerCalls } from './handler-calls.ts';
import type { MixerMetrics } from './metrics.ts';
import type { CompiledPolicy } from './policy-compiler.ts';

export { CONFIG_NAMESPACE } from './dispatch-plan.ts';

export interface HeaderChange {
  readonly name: string;
  readonly value: string;
  readonly operation: CompiledHeaderOperation['operation'];
}

/** All adapters' answers in one. */
export interface CheckOutcome extends CheckResult {
  readonly requestHeaders: readonly HeaderChange[];
  readonly responseHeaders: readonly HeaderChange[];
  /** Why there is no answer: an adapter failed or an expression had no value, and no other adapter denied. */
  readonly failure?: string;
}

/** One adapter's part in a check. */
export interface CheckPart {
  /** `name.namespace` of the handler. */
  readonly handler: string;
  readonly actionName: string;
  readonly called: Called<CheckResult>;
}

/** A request's attributes after attribute generators have had their say. */
export interface Preprocessed {
  readonly bag: AttributeBag;
  /** What a generator failed at. */
  readonly failure: string | undefined;
}

/** As many different failures are named in the log until the configuration changes. */
const MAX_WARNINGS = 100;

export interface DispatcherOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: MixerMetrics;
}

/** Runs the rules of the policy in force. Answers are promises only where an adapter's are. */
export class Dispatcher {
  #policy: CompiledPolicy;
  #plan: DispatchPlan;
  readonly #calls: HandlerCalls;
  readonly #logger: Logger;
  /** Expressions without a value that the log has named: a dispatcher lives as long as its configuration. */
  readonly #warned = new Set<string>();
  readonly #metrics: MixerMetrics;
  readonly #sampling: SamplingEnvironment;

  constructor(policy: CompiledPolicy, { clock, random, logger, metrics }: DispatcherOptions) {
    this.#policy = policy;
    this.#plan = new DispatchPlan(policy);
    this.#logger = logger;
    this.#metrics = metrics;
    this.#calls = new HandlerCalls({ clock, logger, metrics: metrics.dispatch });
    this.#sampling = { monotonic: () => clock.monotonic(), random: () => random.next() };
  }
  get policy(): CompiledPolicy {
    return this.#policy;
  }
  set policy(policy: CompiledPolicy) {
    this.#policy = policy;
    this.#plan = new DispatchPlan(policy);
  }

  /** Lets attribute generators add to a bag. What they made is no business of the client, so `tracker` does not record its reads. */
  preprocess(bag: AttributeBag, tracker?: ReferenceTracker): Preprocessed | Promise<Preprocessed> {
    if (!this.#plan.has('ATTRIBUTE_GENERATOR')) return { bag, failure: undefined };
    const pending: (ReadonlyMap<string, AttributeValue> | string | Promise<ReadonlyMap<string, AttributeValue> | string>)[] = [];
    for (const { steps } of this.#matching('ATTRIBUTE_GENERATOR', bag, tracker)) {
      for (const { handler, instances } of steps) {
        for (const instance of instances) {
          const built = instance.build(bag, tracker);
          if (!built.ok) {
            this.#failed('instance', built.error);
            pending.push(built.error);
            continue;
          }
          const bind = (called: Called<Outputs>) =>
            called.ok
              ? bindOutputs(instance.bindings, called.value, bag, (message) =>
                  this.#failed('binding', `instance ${instance.name}: ${message}`),
                )
              : called.error;
          const called = this.#calls.call<Outputs>(handler, 'ATTRIBUTE_GENERATOR', ({ generate }) => generate?.(built.value));
          pending.push(called instanceof Promise ? called.then(bind) : bind(called));
        }
      }
    }
    return settle(pending, (results) => {
      const made = new Map<string, AttributeValue>();
      const failures: string[] = [];
      for (const result of results) {
        if (typeof result === 'string') failures.push(result);
        // The first generator that knows an attribute has the say.
        else for (const [name, value] of result) if (!made.has(name)) made.set(name, value);
      }
      for (const name of made.keys()) tracker?.exclude(name);
      const failure = failures.length === 0 ? undefined : failures.join('; ');
      return { bag: made.size === 0 ? bag : new Map([...bag, ...made]), failure };
    });
  }
  /** The first adapter that denies gives the code, messages are joined, validity is the shortest. Wants a preprocessed bag. */
  check(bag: AttributeBag, tracker: ReferenceTracker): CheckOutcome | Promise<CheckOutcome> {
    const pending: (CheckPart | Promise<CheckPart>)[] = [];
    for (const { steps } of this.#matching('CHECK', bag, tracker)) {
      for (const step of steps) this.#checkStep(step, bag, tracker, pending);
    }
    return settle(pending, (parts) => {
      const outcome = combineChecks(parts);
      if (outcome.code !== 0 || outcome.failure !== undefined || !this.#plan.has('DIRECT')) return outcome;
      return { ...outcome, ...this.#direct(this.#matching('DIRECT', bag, tracker), parts, bag, tracker) };
    });
  }
  /**
   * The grant of the first handler that has an instance of this name, whatever its case; without one, or when its rule does not match,
   * all that was asked for. Wants a preprocessed bag.
   */
  quota(name: string, args: QuotaArguments, bag: AttributeBag, tracker: ReferenceTracker): QuotaGrant | Promise<QuotaGrant> {
    const wanted = name.toLowerCase();
    for (const { steps } of this.#matching('QUOTA', bag, tracker)) {
      for (const { handler, instances } of steps) {
        for (const instance of instances) {
          const qualified = instance.name.toLowerCase();
          if (qualified !== wanted && qualified.slice(0, qualified.lastIndexOf('.')) !== wanted) continue;
          const built = instance.build(bag, tracker);
          if (!built.ok) {
            this.#failed('instance', built.error);
            return refusedQuota(built.error);
          }
          const called = this.#calls.call<QuotaGrant>(handler, 'QUOTA', ({ quota }) => quota?.(built.value, args));
          const grant = (result: Called<QuotaGrant>) =>
            result.ok ? withHandler(result.value, handler.name) : refusedQuota(result.error, result.unavailable);
          return called instanceof Promise ? called.then(grant) : grant(called);
        }
      }
    }
    return { code: 0, message: '', amount: args.amount, validDurationMs: DEFAULT_VALIDITY.validDurationMs };
  }
  /** Goes through the bags once, and when that succeeds gives each handler all its instances of all of them in one call. */
  report(bags: Iterable<AttributeBag>): void | Promise<void> {
    const batch = new Map<Step['handler'], InstanceValue[]>();
    if (!this.#plan.has('ATTRIBUTE_GENERATOR')) {
      for (const bag of bags) this.#gather(bag, batch);
      this.#flush(batch);
      return;
    }
    return settle(
      Array.from(bags, (bag) => this.preprocess(bag)),
      (preprocessed) => {
        // A generator that failed leaves attributes out; what is known is reported.
        for (const { bag } of preprocessed) this.#gather(bag, batch);
        this.#flush(batch);
      },
    );
  }

  #gather(bag: AttributeBag, batch: Map<Step['handler'], InstanceValue[]>): void {
    for (const { rule, steps } of this.#matching('REPORT', bag, undefined)) {
      if (rule.sampler !== undefined && !rule.sampler(bag, this.#sampling)) continue;
      for (const { handler, instances } of steps) {
        let values = batch.get(handler);
        if (values === undefined) {
          values = [];
          batch.set(handler, values);
        }
        for (const instance of instances) {
          const built = instance.build(bag);
          if (built.ok) values.push(built.value);
          else this.#failed('instance', built.error);
        }
      }
    }
  }
  #flush(batch: ReadonlyMap<Step['handler'], readonly InstanceValue[]>): void {
    for (const [handler, values] of batch) {
      if (values.length > 0) {
        void this.#calls.call<true>(handler, 'REPORT', (target) => {
          target.report?.(values);
          return true;
        });
      }
    }
  }
  #checkStep(
    { actionName, handler, instances }: Step,
    bag: AttributeBag,
    tracker: ReferenceTracker,
    pending: (CheckPart | Promise<CheckPart>)[],
  ) {
    for (const instance of instances) {
      const built = instance.build(bag, tracker);
      const part = (called: Called<CheckResult>): CheckPart => ({ handler: handler.name, actionName, called });
      if (!built.ok) {
        this.#failed('instance', built.error);
        pending.push(part({ ok: false, error: built.error }));
        continue;
      }
      const called = this.#calls.call<CheckResult>(handler, 'CHECK', ({ check }) => check?.(built.value));
      pending.push(called instanceof Promise ? called.then(part) : part(called));
    }
  }
  #matching(variety: PlannedVariety, bag: AttributeBag, tracker: ReferenceTracker | undefined): readonly PlannedRule[] {
    const rules = this.#plan.rules(variety);
    const namespace = rules.varies || tracker !== undefined ? namespaceOf(bag, tracker) : undefined;
    return rules.of(namespace).filter(({ rule }) => this.#matches(rule, bag, tracker));
  }
  #matches({ name, match }: CompiledRule, bag: AttributeBag, tracker: ReferenceTracker | undefined): boolean {
    const matched = match?.evaluate(bag, tracker);
    if (matched === undefined) return true;
    if (!matched.ok) this.#failed('match', `rule ${name}: match: ${matched.error.message}`);
    return matched.ok && matched.value === true;
  }
  /** Header operations of matching rules; what their actions put out counts as attributes. */
  #direct(rules: readonly PlannedRule[], parts: readonly CheckPart[], request: AttributeBag, tracker: ReferenceTracker) {
    let bag = request;
    for (const { actionName, called } of parts) {
      if (actionName === '' || !called.ok || called.value.outputs === undefined) continue;
      const prefix = `${actionName}.output.`;
      bag = withOutputs(bag, prefix, called.value.outputs);
      for (const output of Object.keys(called.value.outputs)) tracker.exclude(`${prefix}${output}`);
    }
    return {
      requestHeaders: rules.flatMap(({ rule }) => this.#headers(rule.requestHeaders, bag, tracker)),
      responseHeaders: rules.flatMap(({ rule }) => this.#headers(rule.responseHeaders, bag, tracker)),
    };
  }
  #headers(operations: readonly CompiledHeaderOperation[], bag: AttributeBag, tracker: ReferenceTracker): HeaderChange[] {
    return operations.flatMap(({ name, operation, values }): HeaderChange[] => {
      if (operation === 'REMOVE') return [{ name, value: '', operation }];
      return values.flatMap((expression) => {
        const result = expression.evaluate(bag, tracker);
        if (!result.ok) this.#failed('header', `header ${name}: ${result.error.message}`);
        return result.ok && result.value !== '' ? [{ name, value: String(result.value), operation }] : [];
      });
    });
  }
  #failed(place: 'match' | 'instance' | 'header' | 'binding', message: string): void {
    this.#metrics.evaluationErrors.inc({ place });
    if (this.#warned.has(message) || this.#warned.size >= MAX_WARNINGS) {
      this.#logger.debug({ place }, message);
      return;
    }
    this.#warned.add(message);
    this.#logger.warn({ place }, `${message} (said once until the configuration changes; --log-level debug says it each time)`);
  }
}

/** Goes on at once when nothing has to be waited for. */
function settle<T, R>(pending: readonly (T | Promise<T>)[], then: (results: readonly T[]) => R): R | Promise<R> {
  if (pending.some((one) => one instanceof Promise)) return Promise.all(pending).then(then);
  // None of them is a promise.
  return then(pending as readonly T[]);
}

/** Clients that fail open go on when nobody could be asked. */
const refusedQuota = (message: string, unavailable = false): QuotaGrant => ({
  code: unavailable ? UNAVAILABLE : INTERNAL,
  message,
  amount: 0,
  validDurationMs: 0,
});

const withHandler = (grant: QuotaGrant, handler: string): QuotaGrant =>
  grant.code === 0 ? grant : { ...grant, message: `${handler}:${grant.message}` };

/**
 * Whose rules apply besides those for all: those of the reporting proxy's own side. Recorded whether or not any rule asks, as release 1.4 did:
 * answers stay right in caches when rules of a namespace come.
 */
function namespaceOf(bag: AttributeBag, tracker: ReferenceTracker | undefined): string | undefined {
  const read = (name: string): string | undefined => {
    const attribute = bag.get(name);
    tracker?.record(name, undefined, attribute !== undefined);
    return attribute?.form === 'string' ? attribute.value : undefined;
  };
  const side = read('context.reporter.kind') ?? 'inbound';
  return side === 'inbound' ? read('destination.namespace') : side === 'outbound' ? read('source.namespace') : undefined;
}
