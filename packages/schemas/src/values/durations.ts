import { durationMs } from '../fields.ts';
import type { ValueCheck } from './value-check.ts';

/** At least 1 ms, in whole milliseconds: proxies keep time no finer. */
export const wholeMilliseconds: ValueCheck = (value) => {
  const ms = durationMs(value) ?? 0;
  if (ms < 1) return `"${value}" is shorter than 1ms`;
  return isWhole(ms) ? undefined : `"${value}" is finer than milliseconds`;
};

export const wholeSeconds: ValueCheck = (value) =>
  wholeMilliseconds(value) ?? (isWhole((durationMs(value) ?? 0) / 1000) ? undefined : `"${value}" is finer than seconds`);

/** Floating point adds and divides with an error far below a nanosecond. */
export function isWhole(value: number): boolean {
  return Math.abs(value - Math.round(value)) < 1e-7;
}
