import type { Violation } from '@xebec/core';
import { resolveReference } from '@xebec/policy';
import { z } from 'zod';
import { milliseconds } from '../params.ts';
import { protoObject, wholeNumber } from '../proto-object.ts';
import type { QuotaAlgorithm } from './quota-store.ts';

const MAX_QUOTAS = 10_000;
const MAX_LEVELS = 8;
const dimensions = z.record(z.string(), z.string());

const fairShare = protoObject({
  /** From the top of the tree down: `[tenant, user]`. */
  dimensions: z.array(z.string().min(1)).min(1).max(MAX_LEVELS),
  /** The first whose dimensions match gives the weight of the deepest dimension it names. */
  weights: z
    .array(protoObject({ dimensions, weight: z.int().min(1).max(1000) }))
    .max(MAX_QUOTAS)
    .default([]),
});

const override = protoObject({
  dimensions: dimensions.default({}),
  maxAmount: wholeNumber.default(0),
  validDuration: milliseconds.optional(),
});

const ALGORITHMS = ['FIXED_WINDOW', 'ROLLING_WINDOW'] as const;

export const quotaDefinition = protoObject({
  name: z.string(),
  maxAmount: wholeNumber.default(0),
  validDuration: milliseconds.default(0),
  bucketDuration: milliseconds.optional(),
  rateLimitAlgorithm: z.union([z.enum(ALGORITHMS), z.literal([0, 1])]).optional(),
  overrides: z.array(override).max(MAX_QUOTAS).default([]),
  fairShare: fairShare.optional(),
});

export const quotaDefinitions = z.array(quotaDefinition).max(MAX_QUOTAS).default([]);

export type QuotaDefinition = z.output<typeof quotaDefinition>;

export function algorithmOf(definition: QuotaDefinition, otherwise: (typeof ALGORITHMS)[number]): QuotaAlgorithm {
  const { rateLimitAlgorithm: chosen = otherwise } = definition;
  if (definition.fairShare !== undefined) return 'FAIR_SHARE';
  return typeof chosen === 'number' ? (ALGORITHMS[chosen] ?? otherwise) : chosen;
}

/** What the shapes cannot say and both quota adapters refuse. */
export function checkQuotas(quotas: readonly QuotaDefinition[], namespace: string): Violation[] {
  const violations: Violation[] = [];
  const seen = new Set<string>();
  for (const [i, { name, fairShare: shares, rateLimitAlgorithm, validDuration }] of quotas.entries()) {
    const path = `spec.params.quotas[${i}]`;
    const instance = instanceOf(name, namespace);
    if (name === '') violations.push({ path: `${path}.name`, message: 'required field is missing: name the quota instance' });
    else if (seen.has(instance)) violations.push({ path: `${path}.name`, message: `quota ${instance} is defined twice` });
    seen.add(instance);
    if (shares === undefined) continue;
    if (rateLimitAlgorithm !== undefined)
      violations.push({ path: `${path}.rateLimitAlgorithm`, message: 'fairShare counts in windows of its own; leave this out' });
    if (validDuration === 0)
      violations.push({ path: `${path}.validDuration`, message: 'fairShare divides what each window allows: give its length, such as 1s' });
    for (const [j, { dimensions: of }] of shares.weights.entries()) {
      const unknown = Object.keys(of).find((key) => !shares.dimensions.includes(key));
      if (unknown !== undefined)
        violations.push({
          path: `${path}.fairShare.weights[${j}].dimensions.${unknown}`,
          message: `the tree has no dimension "${unknown}"; it has ${shares.dimensions.join(', ')}`,
        });
    }
  }
  return violations;
}

/** Quotas are named as their instances are: `name`, `name.namespace` or `name.instance.namespace`. */
export function instanceOf(name: string, namespace: string): string {
  const parts = name.split('.');
  const kind = parts[1] === 'quota' ? 'quota' : 'instance';
  return resolveReference(name, kind, namespace);
}
