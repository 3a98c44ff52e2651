/** Reading of objects whose shape nobody has checked: what is missing or of another type reads as empty, never throws. */
export type Fields = Readonly<Record<string, unknown>>;

const EMPTY: Fields = Object.freeze({});

export function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function record(value: unknown): Fields {
  return isRecord(value) ? value : EMPTY;
}

/** Elements that are no records read as empty ones, so that indexes stay those of the document. */
export function records(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.map(record) : [];
}

/** The record, or undefined where the field was not given. */
export function given(value: unknown): Fields | undefined {
  return isRecord(value) ? value : undefined;
}

export function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map((item) => (typeof item === 'string' ? item : String(item))) : [];
}

export function integer(value: unknown): number {
  const number = typeof value === 'number' ? value : typeof value === 'string' && value !== '' ? Number(value) : 0;
  return Number.isFinite(number) ? Math.trunc(number) : 0;
}

export function stringMap(value: unknown): Readonly<Record<string, string>> {
  if (!isRecord(value)) return {};
  const entries = Object.entries(value).filter(([, item]) => item !== null && typeof item !== 'object');
  return Object.fromEntries(entries.map(([key, item]) => [key, String(item)]));
}
