import type { Violation } from '@xebec/core';
import type { z } from 'zod';
import { isRecord, toViolations } from '../violations.ts';

export interface WithoutUnknown {
  readonly value: unknown;
  /** What was left out, each with the nearest known name. */
  readonly unknown: readonly Violation[];
}

/**
 * Settings without the fields that the schema does not know. Istio ignores those: they may be of another release, whose file must
 * not bring the mesh to a halt.
 */
export function withoutUnknownFields(schema: z.ZodType, value: unknown): WithoutUnknown {
  const parsed = schema.safeParse(value, { reportInput: true });
  const issues = parsed.success ? [] : parsed.error.issues.filter(({ code }) => code === 'unrecognized_keys');
  if (parsed.success || issues.length === 0) return { value, unknown: [] };
  const copy: unknown = structuredClone(value);
  for (const issue of issues) {
    if (issue.code !== 'unrecognized_keys') continue;
    const holder = at(copy, issue.path);
    for (const key of issue.keys) if (isRecord(holder)) delete holder[key];
  }
  const unknown = toViolations(parsed.error, [], schema).filter(({ message }) => message.startsWith('unknown field '));
  return { value: copy, unknown };
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  let current = value;
  for (const step of path) current = isRecord(current) ? current[String(step)] : undefined;
  return current;
}
