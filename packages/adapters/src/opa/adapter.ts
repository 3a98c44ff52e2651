import type { CelInput } from '@bufbuild/cel';
import { err, ok, type Result, type Violation } from '@xebec/core';
import { jsonValue, type TypedValue } from '@xebec/expressions';
import type { InstanceValue } from '@xebec/policy';
import { z } from 'zod';
import type { AdapterDefinition } from '../adapter.ts';
import { authorizationRequest } from '../authorization-subject.ts';
import { milliseconds, parseParams } from '../params.ts';
import { protoObject } from '../proto-object.ts';
import { compilePolicyExpression, type PolicyExpression, type PolicyInput } from './policy-expression.ts';

const OK = 0;
const PERMISSION_DENIED = 7;
const REJECTED = 'opa: request was rejected';

const rule = z.union([z.string(), protoObject({ allow: z.string() }), protoObject({ deny: z.string(), message: z.string().optional() })]);

const params = protoObject({
  policy: z.array(rule).max(1000).default([]),
  /** A Rego query in release 1.4; conditions of ours have none. */
  checkMethod: z.string().optional(),
  failClose: z.boolean().default(false),
  cachingInterval: milliseconds.default(5_000),
  cachingUseCount: z.int().min(0).default(1_000),
});

interface Rule {
  readonly effect: 'allow' | 'deny';
  readonly condition: PolicyExpression;
  readonly message: string;
}

function read(raw: unknown): Result<{ readonly settings: z.output<typeof params>; readonly rules: readonly Rule[] }> {
  const parsed = parseParams(params, raw);
  if (!parsed.ok) return parsed;
  const violations: Violation[] = [];
  const rules: Rule[] = [];
  for (const [i, entry] of parsed.value.policy.entries()) {
    const [effect, text] =
      typeof entry === 'string'
        ? (['allow', entry] as const)
        : 'allow' in entry
          ? (['allow', entry.allow] as const)
          : (['deny', entry.deny] as const);
    const message = typeof entry === 'object' && 'message' in entry && entry.message !== undefined ? `opa: ${entry.message}` : REJECTED;
    const condition = compilePolicyExpression(text);
    const path = `spec.params.policy[${i}]${typeof entry === 'string' ? '' : `.${effect}`}`;
    if (condition.ok) rules.push({ effect, condition: condition.value, message });
    else violations.push({ path, message: condition.error });
  }
  if (parsed.value.policy.length === 0)
    violations.push({ path: 'spec.params.policy', message: 'required field is missing: give at least one condition' });
  return violations.length > 0 ? err(violations) : ok({ settings: parsed.value, rules });
}

/**
 * Lets pass what a policy of CEL conditions over `subject` and `action` allows: no `deny` holds, and an `allow` does, unless there are
 * only denials. A condition that fails counts as not holding; with `failClose` it denies.
 */
export const opa: AdapterDefinition = {
  name: 'opa',
  templates: ['authorization'],
  check(raw) {
    const checked = read(raw);
    return checked.ok ? [] : checked.error;
  },
  configure(raw, { logger }) {
    const configured = read(raw);
    if (!configured.ok) return configured;
    const { settings, rules } = configured.value;
    const { failClose, cachingInterval, cachingUseCount } = settings;
    const allows = rules.some(({ effect }) => effect === 'allow');
    const decide = (input: PolicyInput): string | undefined => {
      let allowed = !allows;
      for (const { effect, condition, message } of rules) {
        const holds = condition(input);
        if (!holds.ok) {
          logger.debug({ effect }, `policy condition failed: ${holds.error}`);
          if (failClose) return `${REJECTED}: ${holds.error}`;
          continue;
        }
        if (!holds.value) continue;
        if (effect === 'deny') return message;
        allowed = true;
      }
      return allowed ? undefined : REJECTED;
    };
    return ok({
      check: (instance) => {
        const message = decide(inputOf(instance));
        const validity = { validDurationMs: cachingInterval, validUseCount: cachingUseCount };
        return message === undefined ? { code: OK, message: '', ...validity } : { code: PERMISSION_DENIED, message, ...validity };
      },
      close: () => undefined,
    });
  },
};

function inputOf(instance: InstanceValue): PolicyInput {
  const { user, groups, subjectProperties, namespace, service, method, path, actionProperties } = authorizationRequest(instance);
  const names = groups.split(',').map((group) => group.trim());
  return {
    subject: { user, groups: names.filter((group) => group !== ''), properties: values(subjectProperties) },
    action: { namespace, service, method, path, properties: values(actionProperties) },
  };
}

function values(properties: ReadonlyMap<string, TypedValue>): ReadonlyMap<string, CelInput> {
  return new Map([...properties].map(([name, typed]): [string, CelInput] => [name, celValue(typed)]));
}

/** Whole numbers, numbers, booleans and maps of text stay what they are; all else is text. */
function celValue(typed: TypedValue): CelInput {
  const { type, value } = typed;
  if (type === 'INT64' || typeof value === 'number' || typeof value === 'boolean') return value as CelInput; // a bigint, number or boolean
  if (type === 'STRING_MAP' && value instanceof Map) return new Map(value);
  return String(jsonValue(typed));
}
