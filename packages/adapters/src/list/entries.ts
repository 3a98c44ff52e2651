import { err, ok, type Result, type Violation } from '@xebec/core';
import { formatValue, parseIp, type TypedValue } from '@xebec/expressions';
import { RE2JS } from 're2js';

export const ENTRY_TYPES = ['STRINGS', 'CASE_INSENSITIVE_STRINGS', 'IP_ADDRESSES', 'REGEX'] as const;
export type EntryType = (typeof ENTRY_TYPES)[number];

/** Undefined: the value has not the form of this list's entries. */
export type Contains = (value: TypedValue) => boolean | undefined;

/** A function that says whether a value is on the list; each entry that cannot be on it is a violation at `path(index)`. */
export function compileEntries(entryType: EntryType, entries: readonly string[], path: (index: number) => string): Result<Contains> {
  const violations: Violation[] = [];
  const read = <T>(what: string, parse: (entry: string) => T | undefined): T[] =>
    entries.flatMap((entry, i) => {
      const value = parse(entry);
      if (value === undefined) violations.push({ path: path(i), message: `"${entry}" is not ${what}` });
      return value === undefined ? [] : [value];
    });
  let contains: Contains;
  switch (entryType) {
    case 'STRINGS': {
      const set = new Set(entries.filter((entry) => entry !== ''));
      contains = (value) => set.has(formatValue(value));
      break;
    }
    case 'CASE_INSENSITIVE_STRINGS': {
      const set = new Set(entries.flatMap((entry) => (entry === '' ? [] : [entry.toUpperCase()])));
      contains = (value) => set.has(formatValue(value).toUpperCase());
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
        const bytes = value instanceof Uint8Array ? asIpv4(value) : parseIp(String(value));
        return bytes === undefined || (bytes.length !== 4 && bytes.length !== 16)
          ? undefined
          : ranges.some((range) => inRange(bytes, range));
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

/** Release 1.4's proxies sent IPv4 addresses in 16 bytes too (`::ffff:a.b.c.d`). */
function asIpv4(bytes: Uint8Array): Uint8Array {
  const mapped = bytes.length === 16 && bytes[10] === 255 && bytes[11] === 255 && bytes.subarray(0, 10).every((byte) => byte === 0);
  return mapped ? bytes.subarray(12) : bytes;
}

function inRange(bytes: Uint8Array, { bytes: network, bits }: Range): boolean {
  if (bytes.length !== network.length) return false;
  for (let i = 0; i * 8 < bits; i++) {
    const mask = bits - i * 8 >= 8 ? 255 : (255 << (8 - (bits - i * 8))) & 255;
    if (((bytes[i] ?? 0) & mask) !== ((network[i] ?? 0) & mask)) return false;
  }
  return true;
}
