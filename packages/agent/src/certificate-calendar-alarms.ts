import type { CalendarEntry } from './certificate-calendar.ts';

/** Watches a calendar: tells of each certificate once when it reaches 50, 80 and 95 % of its life and when it expires. */
export class CertificateAlarms {
  readonly #entries: () => readonly CalendarEntry[];
  readonly #tell: (entry: CalendarEntry) => void;
  /** The level told last, by place and serial number. */
  #told = new Map<string, number>();

  constructor(entries: () => readonly CalendarEntry[], tell: (entry: CalendarEntry) => void) {
    this.#entries = entries;
    this.#tell = tell;
  }
  /** Looks now; returns what the calendar holds. Certificates that have gone are forgotten. */
  look(): readonly CalendarEntry[] {
    const entries = this.#entries();
    const told = new Map<string, number>();
    for (const entry of entries) {
      const key = `${entry.place}\n${entry.name}\n${entry.issuer}\n${entry.serialNumber}`;
      const before = this.#told.get(key) ?? told.get(key) ?? 0;
      told.set(key, Math.max(before, entry.alarm));
      if (entry.alarm > before) this.#tell(entry);
    }
    this.#told = told;
    return entries;
  }
}
