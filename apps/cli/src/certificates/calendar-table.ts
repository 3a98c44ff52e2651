import type { CalendarEntry } from '@xebec/agent';
import { formatTable } from '../table.ts';

const UNITS: readonly (readonly [string, number])[] = [
  ['y', 365 * 86_400_000],
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
];

/** `9y120d`, `3d4h`, `12h30m`: the two largest units that say something. */
export function span(ms: number): string {
  const index = UNITS.findIndex(([, size]) => ms >= size);
  const [unit, size] = UNITS[index] ?? ['s', 1_000];
  const whole = Math.floor(Math.max(0, ms) / size);
  const next = UNITS[index + 1];
  const rest = next === undefined ? 0 : Math.floor((ms - whole * size) / next[1]);
  return `${whole}${unit}${next === undefined || rest === 0 ? '' : `${rest}${next[0]}`}`;
}

const date = (ms: number) => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

/** Soonest end first; the same certificate in the same place stands once. */
export function sorted(entries: readonly CalendarEntry[]): CalendarEntry[] {
  const unique = new Map(entries.map((entry) => [`${entry.place}\n${entry.name}\n${entry.issuer}\n${entry.serialNumber}`, entry]));
  return [...unique.values()].sort((a, b) => a.notAfter - b.notAfter || (a.place < b.place ? -1 : a.place > b.place ? 1 : 0));
}

export function calendarTable(entries: readonly CalendarEntry[], now: number): string {
  return formatTable(
    ['PLACE', 'NAME', 'KIND', 'IDENTITY', 'EXPIRES', 'IN', 'LIFE', 'ALARM'],
    entries.map((entry) => [
      entry.place,
      entry.name,
      entry.kind,
      entry.names[0] ?? (entry.subject === '' ? '-' : entry.subject),
      date(entry.notAfter),
      entry.notAfter <= now ? `${span(now - entry.notAfter)} ago` : span(entry.notAfter - now),
      `${Math.floor(entry.lifeUsed * 100)}%`,
      entry.alarm === 0 ? '-' : entry.alarm === 100 ? 'EXPIRED' : `${entry.alarm}%`,
    ]),
  );
}

/** Times as text, so that other programs need not know our epoch. */
export function calendarJson(entries: readonly CalendarEntry[]): object[] {
  return entries.map((entry) => ({ ...entry, notBefore: date(entry.notBefore), notAfter: date(entry.notAfter) }));
}
