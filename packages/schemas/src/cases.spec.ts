import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { seededRandom, type Violation } from '@xebec/core';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { checkObject } from './check.ts';
import { decodeObject } from './decode.ts';
import type { Findings } from './findings.ts';
import { mutate } from './testing/mutate.ts';

/** More rounds by `MUTATIONS=…`. */
const ROUNDS = Number(process.env['MUTATIONS'] ?? 1000);
const folder = join(import.meta.dirname, '..', 'cases');
const paths = z.array(z.string()).default([]);
const caseFile = z.strictObject({
  base: z.record(z.string(), z.unknown()),
  warnings: paths,
  cases: z.array(
    z.strictObject({
      set: z.string().optional(),
      to: z.unknown().optional(),
      unset: z.string().optional(),
      errors: paths,
      warnings: paths,
    }),
  ),
});

const files = readdirSync(folder).map((name) => ({ name, ...caseFile.parse(parse(readFileSync(join(folder, name), 'utf8'))) }));

function check(input: unknown): Findings {
  const decoded = decodeObject(input, { defaultNamespace: 'default' });
  return decoded.ok ? checkObject(decoded.value) : { errors: decoded.error, warnings: [] };
}

/** The document with one field set or left out; steps of lists are numbers. */
function changed(base: unknown, path: string, value: unknown): unknown {
  const copy: unknown = structuredClone(base);
  const steps = path.split('.');
  const last = steps.pop() ?? '';
  let at: unknown = copy;
  for (const step of steps) at = fieldsOf(at)[step] ??= {};
  const fields = fieldsOf(at);
  if (value !== undefined) fields[last] = value;
  else if (Array.isArray(at)) at.splice(Number(last), 1);
  else delete fields[last];
  return copy;
}

function fieldsOf(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw new Error(`no fields in ${JSON.stringify(value)}`);
  return value as Record<string, unknown>; // Lists are written to by number as well.
}

const pathsOf = (violations: readonly Violation[]): string[] => [...new Set(violations.map(({ path }) => path))];

describe.each(files)('$name', ({ base, cases, warnings }) => {
  it('is valid as it stands', () => {
    const findings = check(base);
    expect({ errors: findings.errors, warnings: pathsOf(findings.warnings) }).toEqual({ errors: [], warnings });
  });
  it.each(cases)('$set$unset: $to', ({ errors, set, to, unset, warnings: expected }) => {
    const findings = check(changed(base, set ?? unset ?? '', to));
    expect(pathsOf(findings.errors)).toEqual(errors);
    if (errors.length === 0) expect(pathsOf(findings.warnings)).toEqual(expected);
  });
});

it('is never brought down by what it is given', () => {
  const random = seededRandom(7);
  const bases = files.map(({ base }) => base);
  let refused = 0;
  for (let round = 0; round < ROUNDS; round++) {
    let document: unknown = bases[round % bases.length];
    for (let change = 0; change <= round % 4; change++) document = mutate(document, random);
    const { errors } = check(document);
    expect(errors.every(({ message }) => message !== '')).toBe(true);
    if (errors.length > 0) refused++;
  }
  expect(refused).toBeGreaterThan(ROUNDS / 4);
});
