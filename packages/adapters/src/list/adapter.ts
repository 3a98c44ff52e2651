import { err, ok, type Result, type Violation } from '@xebec/core';
import { formatValue, parseIp, type TypedValue } from '@xebec/expressions';
import { RE2JS } from 're2js';
import { z } from 'zod';
import type { AdapterDefinition } from '../adapter.ts';
import { milliseconds, parseParams } from '../params.ts';

const INVALID_ARGUMENT = 3;
const NOT_FOUND = 5;
const PERMISSION_DENIED = 7;

const params = z.strictObject({
  overrides: z.array(z.string()).max(100_000).default([]),
  entryType: z.enum(['STRINGS', 'CASE_INSENSITIVE_STRINGS', 'IP_ADDRESSES', 'REGEX']).default('STRINGS'),
  blacklist: z.boolean().default(false),
  cachingInterval: milliseconds.optional(),
  cachingUseCount: z.int().optional(),
});

/** Undefined: the value has not the form of this list's entries. */
type Contains = (value: TypedValue) => boolean | undefined;

/** Lets pass what is on a list, or, as a blacklist, what is not. Lists stand in the params; `providerUrl` is not supported. */
export const list: AdapterDefinition = {
  name: 'listchecker',
  templates: ['listentry'],
  check(raw) {
    const parsed = parseParams(params, raw);
    if (!parsed.ok) return parsed.error;
    const contains = compile(parsed.value.entryType, parsed.value.overrides);
    return contains.ok ? [] : contains.error;
  },
  configure(raw, _environment) {
    const parsed = parseParams(params, raw);
    if (!parsed.ok) return parsed;
    const { overrides, entryType, blacklist, cachingInterval = 300_000, cachingUseCount = 10_000 } = parsed.value;
    const contains = compile(entryType, overrides);
    if (!contains.ok) return contains;
    return ok({
      check: ({ fields }) => {
        const value = fields['value'];
        const typed = value !== undefined && 'type' in value ? value : undefined;
        const found = typed === undefined ? undefined : contains.value(typed);
        const shown = typed === undefined ? '' : formatValue(typed);
        const answer = (code: number, message: string) => ({
          code,
          message,
          validDurationMs: cachingInterval,
          validUseCount: cachingUseCount,
        });
        if (found === undefined) return answer(INVALID_ARGUMENT, `${shown} is not a valid IP address`);
        if (found === !blacklist) return answer(0, '');
        return blacklist ? answer(PERMISSION_DENIED, `${shown} is blacklisted`) : answer(NOT_FOUND, `${shown} is not whitelisted`);
      },
      close: () => undefined,
    });
  },
};

function compile(entryType: z.output<typeof params>['entryType'], entries: readonly string[]): Result<Contains> {
  const violations: Violation[] = [];
  const read = <T>(what: string, parse: (entry: string) => T | undefined): T[] =>
    entries.flatMap((entry, i) => {
      const value = parse(entry);
      if (value === undefined) violations.push({ path: `spec.params.overrides[${i}]`, message: `"${entry}" is not ${what}` });
      return value === undefined ? [] : [value];
    });
  let contains: Contains;
  switch (entryType) {
    case 'STRINGS': {
      const set = new Set(entries);
      contains = (value) => set.has(formatValue(value));
      break;
    }
    case 'CASE_INSENSITIVE_STRINGS': {
      const set = new Set(entries.map((entry) => entry.toLowerCase()));
      contains = (value) => set.has(formatValue(value).toLowerCase());
      break;
    }
    case 'REGEX': {
      const patterns = read('a regular expression (RE2)', compileRegex);
      contains = (value) => patterns.some((pattern) => pattern.matcher(formatValue(value)).find());
      break;
    }
    case 'IP_ADDRESSES': {
      const ranges = read('an IP address or CIDR range, such as 10.0.0.0/8', parseRange);
      contains = ({ value }) => {
        const bytes = value instanceof Uint8Array ? value : parseIp(String(value));
        return bytes === undefined ? undefined : ranges.some((range) => inRange(bytes, range));
      };
      break;
    }
  }
  return violations.length > 0 ? err(violations) : ok(contains);
}

function compileRegex(pattern: string): RE2JS | undefined {
  try {
    return RE2JS.compile(pattern);
  } catch {
    return undefined;
  }
}

interface Range {
  readonly bytes: Uint8Array;
  readonly bits: number;
}

function parseRange(text: string): Range | undefined {
  const [address = '', length, ...rest] = text.split('/');
  const bytes = parseIp(address);
  if (bytes === undefined || rest.length > 0) return undefined;
  const bits = length === undefined ? bytes.length * 8 : /^\d{1,3}$/.test(length) ? Number(length) : Number.NaN;
  return bits <= bytes.length * 8 ? { bytes, bits } : undefined;
}

function inRange(bytes: Uint8Array, { bytes: network, bits }: Range): boolean {
  if (bytes.length !== network.length) return false;
  for (let i = 0; i * 8 < bits; i++) {
    const mask = bits - i * 8 >= 8 ? 255 : (255 << (8 - (bits - i * 8))) & 255;
    if (((bytes[i] ?? 0) & mask) !== ((network[i] ?? 0) & mask)) return false;
  }
  return true;
}
