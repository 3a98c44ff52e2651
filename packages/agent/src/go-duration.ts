import { XebecError } from '@xebec/core';

const units: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** Reads Go's duration form (`24h0m0s`, `90s`, `500ms`); undefined for nothing, an `E_ENV` naming the variable for anything else. */
export function goDurationMs(text: string | undefined, variable: string): number | undefined {
  if (text === undefined || text === '') return undefined;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)];
  if (parts.length === 0 || parts.map((part) => part[0]).join('') !== text) {
    throw new XebecError('E_ENV', `${variable} wants a duration such as 24h0m0s, but got "${text}"`);
  }
  return parts.reduce((sum, [, count = '0', unit = 's']) => sum + Number(count) * (units[unit] ?? 0), 0);
}
