import { numericValue, type TypedValue } from '@xebec/expressions';

export type StatsdType = 'UNKNOWN' | 'COUNTER' | 'GAUGE' | 'DISTRIBUTION';

/** What would end a name or a line; statsd has no way to quote it. */
const RESERVED = /[:|@\s\p{Cc}]/gu;

export function statsdName(prefix: string, name: string): string {
  const clean = name.replace(RESERVED, '_');
  return prefix === '' ? clean : `${prefix.replace(RESERVED, '_').replace(/\.$/, '')}.${clean}`;
}

/**
 * The lines of one value; undefined when it is no number. Durations of distributions are timers in milliseconds and other
 * distributions counters, as release 1.4 had it.
 */
export function statsdLines(name: string, type: StatsdType, typed: TypedValue, rate: number): readonly string[] | undefined {
  const number = numericValue(typed);
  if (number === undefined || !Number.isFinite(number) || type === 'UNKNOWN') return undefined;
  const sampled = rate < 1 ? `|@${rate}` : '';
  if (type === 'GAUGE') {
    const line = `${name}:${plain(number)}|g`;
    // A sign means "change by": a negative gauge is first set to zero.
    return number < 0 ? [`${name}:0|g`, line] : [line];
  }
  if (type === 'DISTRIBUTION' && typed.type === 'DURATION') return [`${name}:${plain(number * 1000)}|ms${sampled}`];
  return [`${name}:${plain(number)}|c${sampled}`];
}

/** Decimal without an exponent, for not every statsd reads one; microseconds of milliseconds are exact enough. */
function plain(number: number): string {
  if (Number.isInteger(number)) return BigInt(number).toString();
  return number.toFixed(6).replace(/\.?0+$/, '');
}
