import { formatDurationNs, formatIp, formatTimestampNs } from './text-types.ts';
import type { TypedValue } from './value.ts';

/** A value as text, for labels and log lines. */
export function formatValue({ type, value }: TypedValue): string {
  if (value instanceof Uint8Array) return formatIp(value);
  if (value instanceof Map) return JSON.stringify(Object.fromEntries(value));
  if (typeof value === 'bigint' && type === 'TIMESTAMP') return formatTimestampNs(value);
  if (typeof value === 'bigint' && type === 'DURATION') return formatDurationNs(value);
  return String(value);
}

/** A value as JSON: numbers and booleans stay what they are, all else is text. */
export function jsonValue(typed: TypedValue): unknown {
  const { type, value } = typed;
  if (type === 'INT64' && typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (type === 'STRING_MAP' && value instanceof Map) return Object.fromEntries(value);
  return typeof value === 'number' || typeof value === 'boolean' ? value : formatValue(typed);
}

/** A value as a number, durations in seconds; undefined when it is none. */
export function numericValue({ type, value }: TypedValue): number | undefined {
  if (typeof value === 'bigint') return type === 'DURATION' ? Number(value) / 1e9 : Number(value);
  if (typeof value === 'string') return value.trim() === '' || Number.isNaN(Number(value)) ? undefined : Number(value);
  return typeof value === 'number' ? value : undefined;
}
