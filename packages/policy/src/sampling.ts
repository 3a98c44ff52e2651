import { err, ok, type Result, type Violation } from '@xebec/core';
import { type AttributeBag, type CompiledExpression, compileExpression, type Vocabulary } from '@xebec/expressions';
import { durationMs, type RuleSpec } from '@xebec/schemas';
import { toViolation } from './compile-instance.ts';

/** What sampling takes from outside. */
export interface SamplingEnvironment {
  /** Milliseconds that never go back. */
  monotonic(): number;
  /** A number in [0, 1). */
  random(): number;
}

/** Whether a rule's actions run for this bag; all configured ways must choose it. */
export type Sampler = (bag: AttributeBag, environment: SamplingEnvironment) => boolean;

type Sampling = NonNullable<RuleSpec['sampling']>;

/** Undefined: every bag is chosen. */
export function compileSampling(sampling: Sampling | undefined, vocabulary: Vocabulary): Result<Sampler | undefined> {
  if (sampling === undefined) return ok(undefined);
  const violations: Violation[] = [];
  const random = sampling.random === undefined ? undefined : randomSampler(sampling.random, vocabulary, violations);
  const limit = sampling.rateLimit === undefined ? undefined : rateLimitSampler(sampling.rateLimit, violations);
  if (violations.length > 0) return err(violations);
  if (random === undefined) return ok(limit);
  if (limit === undefined) return ok(random);
  return ok((bag, environment) => random(bag, environment) && limit(bag, environment));
}

const DENOMINATORS: Readonly<Record<string, number>> = { HUNDRED: 100, TEN_THOUSAND: 10_000, 0: 100, 1: 10_000 };

function randomSampler(
  { attributeExpression, percentSampled = {}, useIndependentRandomness }: NonNullable<Sampling['random']>,
  vocabulary: Vocabulary,
  violations: Violation[],
): Sampler {
  const path = 'spec.sampling.random';
  const { numerator = 0, denominator = 'HUNDRED', ...rest } = percentSampled;
  for (const key of Object.keys(rest))
    violations.push({ path: `${path}.percentSampled.${key}`, message: 'unknown field; it has numerator and denominator' });
  const scale = DENOMINATORS[String(denominator)];
  if (scale === undefined)
    violations.push({
      path: `${path}.percentSampled.denominator`,
      message: `"${String(denominator)}" is neither HUNDRED nor TEN_THOUSAND`,
    });
  if (typeof numerator !== 'number' || !Number.isInteger(numerator) || numerator < 0)
    violations.push({ path: `${path}.percentSampled.numerator`, message: 'must be a whole number from 0' });
  let expression: CompiledExpression | undefined;
  if (attributeExpression !== undefined && attributeExpression !== '') {
    const compiled = compileExpression(attributeExpression, vocabulary);
    if (compiled.ok) expression = compiled.value;
    else violations.push(toViolation(`${path}.attributeExpression`, compiled.error));
  }
  const share = Number(numerator) / (scale ?? 100);
  return (bag, { random }) => {
    // An expression without a number samples nothing.
    const wanted = expression === undefined ? share : numberOf(expression, bag) / (scale ?? 100);
    if (!(wanted > 0)) return false;
    if (wanted >= 1) return true;
    // The same requests are chosen by every rule and everywhere on their way, by their ID.
    const common = useIndependentRandomness === true ? undefined : byRequestId(bag);
    return (common ?? random()) < wanted;
  };
}

function numberOf(expression: CompiledExpression, bag: AttributeBag): number {
  const result = expression.evaluate(bag);
  return result.ok && (typeof result.value === 'bigint' || typeof result.value === 'number') ? Number(result.value) : 0;
}

/** A number in [0, 1) from the first eight hexadecimal digits of `x-request-id`, as Envoy's runtime filter draws it. */
function byRequestId(bag: AttributeBag): number | undefined {
  const headers = bag.get('request.headers');
  const own = bag.get('request.id');
  const header = headers?.form === 'stringMap' ? headers.value.get('x-request-id') : undefined;
  const id = header ?? (own?.form === 'string' ? own.value : undefined);
  const digits = id === undefined ? undefined : /^[0-9a-fA-F]{8}/.exec(id)?.[0];
  return digits === undefined ? undefined : (Number.parseInt(digits, 16) % 10_000) / 10_000;
}

/** The first `maxUnsampledEntries` of each window, then one of every `samplingRate`. */
function rateLimitSampler(
  { samplingDuration, maxUnsampledEntries = 0, samplingRate = 0 }: NonNullable<Sampling['rateLimit']>,
  violations: Violation[],
): Sampler {
  const windowMs = samplingDuration === undefined ? 0 : (durationMs(samplingDuration) ?? 0);
  if (!(windowMs > 0))
    violations.push({ path: 'spec.sampling.rateLimit.samplingDuration', message: 'must be a duration above 0, such as 1s' });
  let started = Number.NEGATIVE_INFINITY;
  let seen = 0;
  return (_bag, { monotonic }) => {
    const now = monotonic();
    if (now - started >= windowMs) {
      started = now;
      seen = 0;
    }
    seen++;
    if (seen <= maxUnsampledEntries) return true;
    return samplingRate > 0 && (seen - maxUnsampledEntries) % samplingRate === 0;
  };
}
