import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { analyze, formatMessage, type RawObject, toRawObject, toSarif } from './index.ts';

const CASES = join(import.meta.dirname, '../cases');
/** More rounds by `MUTATIONS=…`. */
const ROUNDS = Number(process.env['MUTATIONS'] ?? 300);
const SCRAPS: readonly unknown[] = [
  null,
  '',
  'x',
  '*',
  '/',
  '~',
  0,
  -1,
  1e300,
  true,
  [],
  [null],
  {},
  { a: null },
  'a/b/c',
  ['*'],
  '__proto__',
];

/** mulberry32: the same mutations on every run. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function pick<T>(list: readonly T[], random: () => number): T | undefined {
  return list[Math.floor(random() * list.length)];
}

/** The value with one part of it, at any depth, replaced, removed or doubled. */
function mutate(value: unknown, random: () => number): unknown {
  if (typeof value !== 'object' || value === null || random() < 0.15) return pick(SCRAPS, random);
  if (Array.isArray(value)) {
    const index = Math.floor(random() * value.length);
    if (random() < 0.2) return [...value, ...value];
    return value.map((item: unknown, position) => (position === index ? mutate(item, random) : item));
  }
  const entries = Object.entries(value);
  const [key] = pick(entries, random) ?? [];
  if (random() < 0.15) return Object.fromEntries(entries.filter(([name]) => name !== key));
  return Object.fromEntries(entries.map(([name, item]) => [name, name === key ? mutate(item, random) : item]));
}

it('random mutations of the cases never crash an analyzer', () => {
  const documents = readdirSync(CASES).flatMap((code) =>
    ['input.yaml', 'near-miss.yaml'].map((file) =>
      parseAllDocuments(readFileSync(join(CASES, code, file), 'utf8')).map((document): unknown => document.toJS()),
    ),
  );
  const random = createRandom(7);
  let objects = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const original = pick(documents, random) ?? [];
    const mutated: RawObject[] = original.flatMap((document) => toRawObject(mutate(document, random), 'default') ?? []);
    objects += mutated.length;
    const messages = analyze(mutated, { complete: random() < 0.5, now: 0, meshConfig: { extensionProviders: mutated }, only: [] });
    expect(messages.map(formatMessage).every((line) => line.includes('['))).toBe(true);
    expect(() => JSON.stringify(toSarif(messages, '0'))).not.toThrow();
  }
  expect(objects).toBeGreaterThan(ROUNDS);
});
