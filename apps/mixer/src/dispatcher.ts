import { type Clock, errorText, type Logger } from '@xebec/core';
import type { AttributeBag, ReferenceTracker } from '@xebec/expressions';
import type {
  CheckResult,
  CompiledAction,
  CompiledHandler,
  CompiledHeaderOperation,
  CompiledRule,
  Handler,
  InstanceValue,
  QuotaArguments,
  QuotaGrant,
} from '@xebec/policy';
import type { MixerMetrics } from './metrics.ts';
import type { CompiledPolicy } from './policy-compiler.ts';

/** Rules of this namespace apply to every service. */
export const CONFIG_NAMESPACE = 'istio-system';
const INTERNAL = 13;
/** What holds when no adapter says otherwise. */
const DEFAULT_VALIDITY = { validDurationMs: 60_000, validUseCount: 10_000 };
/** An answer that an error made should not live long. */
const ERROR_VALIDITY = { validDurationMs: 1_000, validUseCount: 1 };

export interface HeaderChange {
  readonly name: string;
  readonly value: string;
  readonly operation: CompiledHeaderOperation['operation'];
}

export interface CheckOutcome extends CheckResult {
  readonly requestHeaders: readonly HeaderChange[];
  readonly responseHeaders: readonly HeaderChange[];
}

/** Runs the rules of the policy in force. */
export class Dispatcher {
  policy: CompiledPolicy;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #metrics: MixerMetrics;

  constructor(policy: CompiledPolicy, { clock, logger, metrics }: { clock: Clock; logger: Logger; metrics: MixerMetrics }) {
    this.policy = policy;
    this.#clock = clock;
    this.#logger = logger;
    this.#metrics = metrics;
  }

  /** All adapters' answers in one: the first that denies gives the code, messages are joined, validity is the shortest. */
  async check(bag: AttributeBag, tracker: ReferenceTracker): Promise<CheckOutcome> {
    const pending: (CheckResult | Promise<CheckResult>)[] = [];
    const requestHeaders: HeaderChange[] = [];
    const responseHeaders: HeaderChange[] = [];
    for (const rule of this.#matching(bag, tracker)) {
      for (const { handler, instances } of rule.actions) {
        for (const instance of instances) {
          if (instance.template.variety !== 'CHECK') continue;
          const built = instance.build(bag, tracker);
          if (!built.ok) {
            this.#failed('instance', built.error);
            pending.push({ code: INTERNAL, message: built.error, ...ERROR_VALIDITY });
            continue;
          }
          pending.push(this.#checkWith(handler, built.value));
        }
      }
      requestHeaders.push(...this.#headers(rule.requestHeaders, bag, tracker));
      responseHeaders.push(...this.#headers(rule.responseHeaders, bag, tracker));
    }
    const results = await Promise.all(pending);
    const denials = results.filter(({ code }) => code !== 0);
    return {
      code: denials[0]?.code ?? 0,
      message: denials.map(({ message }) => message).join(', '),
      validDurationMs: Math.min(DEFAULT_VALIDITY.validDurationMs, ...results.map(({ validDurationMs }) => validDurationMs)),
      validUseCount: Math.min(DEFAULT_VALIDITY.validUseCount, ...results.map(({ validUseCount }) => validUseCount)),
      requestHeaders,
      responseHeaders,
    };
  }
  /** The grant of the first handler that has an instance of this name; undefined when none has. */
  async quota(name: string, args: QuotaArguments, bag: AttributeBag, tracker: ReferenceTracker): Promise<QuotaGrant | undefined> {
    for (const rule of this.#matching(bag, tracker)) {
      for (const { handler, instances } of rule.actions) {
        for (const instance of instances) {
          if (instance.template.variety !== 'QUOTA' || (instance.name !== name && instance.name.split('.')[0] !== name)) continue;
          const built = instance.build(bag, tracker);
          const refused = (message: string) => ({ code: INTERNAL, message, amount: 0, validDurationMs: 0 });
          if (built.ok) {
            const granted = await this.#call(handler, 'QUOTA', ({ quota }) => quota?.(built.value, args));
            return granted ?? refused(`adapter ${handler.adapter} failed`);
          }
          this.#failed('instance', built.error);
          return refused(built.error);
        }
      }
    }
    return undefined;
  }
  report(bags: readonly AttributeBag[]): void {
    for (const bag of bags) {
      for (const rule of this.#matching(bag, undefined)) for (const action of rule.actions) this.#report(action, bag);
    }
  }

  #report({ handler, instances }: CompiledAction, bag: AttributeBag): void {
    const values: InstanceValue[] = [];
    for (const instance of instances) {
      if (instance.template.variety !== 'REPORT') continue;
      const built = instance.build(bag);
      if (built.ok) values.push(built.value);
      else this.#failed('instance', built.error);
    }
    if (values.length > 0) void this.#call(handler, 'REPORT', ({ report }) => report?.(values));
  }
  *#matching(bag: AttributeBag, tracker: ReferenceTracker | undefined): Generator<CompiledRule> {
    for (const rule of this.policy.rules) {
      if (rule.namespace !== CONFIG_NAMESPACE && rule.namespace !== namespaceOf(bag, tracker)) continue;
      const matched = rule.match?.evaluate(bag, tracker);
      if (matched === undefined || (matched.ok && matched.value === true)) yield rule;
      else if (!matched.ok) this.#failed('match', `rule ${rule.name}: match: ${matched.error.message}`);
    }
  }
  #headers(operations: readonly CompiledHeaderOperation[], bag: AttributeBag, tracker: ReferenceTracker): HeaderChange[] {
    return operations.flatMap(({ name, operation, values }): HeaderChange[] => {
      if (operation === 'REMOVE') return [{ name, value: '', operation }];
      return values.flatMap((expression) => {
        const result = expression.evaluate(bag, tracker);
        if (result.ok) return [{ name, value: String(result.value), operation }];
        this.#failed('header', `header ${name}: ${result.error.message}`);
        return [];
      });
    });
  }
  async #checkWith(handler: CompiledHandler, instance: InstanceValue): Promise<CheckResult> {
    const result = await this.#call(handler, 'CHECK', ({ check }) => check?.(instance));
    return result ?? { code: INTERNAL, message: `adapter ${handler.adapter} failed`, ...ERROR_VALIDITY };
  }
  /** Calls an adapter, counted and timed; one that fails must not reach other rules. */
  async #call<T>(
    { name, adapter, handler }: CompiledHandler,
    variety: string,
    call: (handler: Handler) => T,
  ): Promise<Awaited<T> | undefined> {
    const labels = { adapter, handler: name, variety };
    const started = this.#clock.monotonic();
    try {
      return await call(handler);
    } catch (error) {
      this.#metrics.dispatchErrors.inc(labels);
      this.#logger.error({ handler: name, adapter }, `adapter ${adapter} failed: ${errorText(error)}`);
      return undefined;
    } finally {
      this.#metrics.dispatches.inc(labels);
      this.#metrics.dispatchDuration.observe(labels, (this.#clock.monotonic() - started) / 1000);
    }
  }
  #failed(place: 'match' | 'instance' | 'header', message: string): void {
    this.#metrics.evaluationErrors.inc({ place });
    this.#logger.debug({ place }, message);
  }
}

/** Where the called service lives; an inbound proxy may know its own namespace alone. */
function namespaceOf(bag: AttributeBag, tracker: ReferenceTracker | undefined): string | undefined {
  for (const name of ['destination.service.namespace', 'destination.namespace']) {
    const attribute = bag.get(name);
    tracker?.record(name, undefined, attribute !== undefined);
    if (attribute?.form === 'string') return attribute.value;
  }
  return undefined;
}
