import type { Random } from '@xebec/core';

type Holder = unknown[] | Record<string, unknown>;

const WORDS: readonly unknown[] = [
  '',
  ' ',
  '*',
  '~',
  '.',
  '/',
  'a',
  'A-b',
  'a_b',
  '-a',
  'a..b',
  'a.b/c',
  '*.a.com',
  '*a.com',
  'a*',
  'mesh',
  'x/y',
  'unix:///x',
  '10.0.0.1',
  '10.0.0.0/8',
  '::1',
  '1.2.3.4/40',
  'a.example.com',
  '%',
  '%A%',
  '(',
  '__proto__',
  'constructor',
  '5xx',
  'HTTP',
  'TCP',
  'TLS',
  'STATIC',
  'DNS',
  'MUTUAL',
  'x'.repeat(300),
];
const NUMBERS: readonly unknown[] = [0, 1, 2, 3, -1, 80, 100, 101, 65536, 2147483648, 0.5, '7', '1e3', -0.00001];
const DURATIONS: readonly unknown[] = ['0s', '1s', '1.5s', '1ms', '1us', '100ms', '1h30m', '-1s', '5', 's', '10d'];
const SHAPES: readonly unknown[] = [null, true, false, [], {}, [null], [[]], { a: 'b' }, ['a', 'a'], [{}]];

/** One change of one place of a document: left out, doubled, of another type, or of another value. The document stays as it is. */
export function mutate(document: unknown, random: Random): unknown {
  const copy: unknown = structuredClone(document);
  const places = holders(copy).flatMap((holder) => Object.keys(holder).map((key) => [holder, key] as const));
  const [holder, key] = pick(places, random) ?? [{}, ''];
  const way = Math.floor(random.next() * 6);
  if (way === 0) remove(holder, key);
  else if (way === 1 && Array.isArray(holder)) holder.push(structuredClone(holder[Number(key)]));
  else if (way === 2 && !Array.isArray(holder)) rename(holder, key, random);
  else put(holder, key, structuredClone(valueLike(read(holder, key), random)));
  return copy;
}

function holders(value: unknown): Holder[] {
  if (Array.isArray(value)) return [value, ...value.flatMap(holders)];
  return isFields(value) ? [value, ...Object.values(value).flatMap(holders)] : [];
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Mostly of the same type: what is of another is refused at once and tries nothing further. */
function valueLike(current: unknown, random: Random): unknown {
  const pools = [WORDS, NUMBERS, DURATIONS, SHAPES];
  if (random.next() < 0.25) return pick(pick(pools, random) ?? SHAPES, random);
  if (typeof current === 'number') return pick(NUMBERS, random);
  if (typeof current === 'string') return pick(/^\d+(?:ms|s|m|h)$/.test(current) ? DURATIONS : WORDS, random);
  return pick(SHAPES, random);
}

function rename(holder: Record<string, unknown>, key: string, random: Random): void {
  const value = holder[key];
  delete holder[key];
  const names = [key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), `${key}x`, key.slice(1), 'a b'];
  put(holder, pick(names, random) ?? key, value);
}

function read(holder: Holder, key: string): unknown {
  return Array.isArray(holder) ? holder[Number(key)] : holder[key];
}

function put(holder: Holder, key: string, value: unknown): void {
  if (Array.isArray(holder)) holder[Number(key)] = value;
  else holder[key] = value;
}

function remove(holder: Holder, key: string): void {
  if (Array.isArray(holder)) holder.splice(Number(key), 1);
  else delete holder[key];
}

function pick<Item>(items: readonly Item[], random: Random): Item | undefined {
  return items[Math.floor(random.next() * items.length)];
}
