import { formatIp, formatValue, jsonValue, type TypedValue } from '@xebec/expressions';
import type { FieldValue, InstanceValue } from '@xebec/policy';

type Fields = InstanceValue['fields'];

function single(field: FieldValue | undefined): TypedValue | undefined {
  return field !== undefined && 'type' in field ? field : undefined;
}

/** A field as text; undefined where it is absent. */
export function textField(fields: Fields, name: string): string | undefined {
  const value = single(fields[name]);
  return value === undefined ? undefined : formatValue(value);
}

/** The value of an INT64, TIMESTAMP or DURATION field: a count, or nanoseconds. */
export function bigintField(fields: Fields, name: string): bigint | undefined {
  const value = single(fields[name])?.value;
  return typeof value === 'bigint' ? value : undefined;
}

export function boolField(fields: Fields, name: string): boolean {
  return single(fields[name])?.value === true;
}

/** The text of an IP_ADDRESS field; undefined where it is absent or all zeros, which stands for "unknown". */
export function ipField(fields: Fields, name: string): string | undefined {
  const value = single(fields[name])?.value;
  return value instanceof Uint8Array && value.some((byte) => byte !== 0) ? formatIp(value) : undefined;
}

/** A map field; empty where it is absent. */
export function mapField(fields: Fields, name: string): ReadonlyMap<string, TypedValue> {
  const field = fields[name];
  return field === undefined || 'type' in field ? new Map() : field;
}

/** The value of a `metric` instance. */
export function valueField(fields: Fields): TypedValue | undefined {
  return single(fields['value']);
}

/** `name.namespace` as release 1.4 wrote it in logs and tags: `name.instance.namespace`, or with an older kind in the middle. */
export function wireName({ name, kind = 'instance' }: Pick<InstanceValue, 'name' | 'kind'>): string {
  const dot = name.indexOf('.');
  return dot === -1 ? name : `${name.slice(0, dot)}.${kind}.${name.slice(dot + 1)}`;
}

/** `requestcount.metric.istio-system`, `requestcount.instance.istio-system` and `requestcount` as `requestcount.istio-system`. */
export function qualifiedName(name: string, namespace: string): string {
  const parts = name.split('.');
  return `${parts[0] ?? ''}.${parts.length === 1 ? namespace : (parts.at(-1) ?? '')}`;
}

const SECOND = 1_000_000_000n;

/** Nanoseconds as Go writes a duration: `60.848ms`, `1.5s`, `1m30s`, `1h0m0.25s`. */
export function goDuration(ns: bigint): string {
  if (ns < 0n) return `-${goDuration(-ns)}`;
  if (ns === 0n) return '0s';
  if (ns < 1_000n) return `${ns}ns`;
  if (ns < 1_000_000n) return `${decimal(ns, 1_000n)}µs`;
  if (ns < SECOND) return `${decimal(ns, 1_000_000n)}ms`;
  const minutes = ns / (60n * SECOND);
  const seconds = `${decimal(ns % (60n * SECOND), SECOND)}s`;
  if (minutes === 0n) return seconds;
  return minutes < 60n ? `${minutes}m${seconds}` : `${minutes / 60n}h${minutes % 60n}m${seconds}`;
}

function decimal(ns: bigint, unit: bigint): string {
  const fraction = String(ns % unit)
    .padStart(String(unit).length - 1, '0')
    .replace(/0+$/, '');
  return fraction === '' ? String(ns / unit) : `${ns / unit}.${fraction}`;
}

/** Nanoseconds since the epoch as RFC 3339 with microseconds, such as `2026-01-02T03:04:05.000006Z`. */
export function microsecondTime(ns: bigint): string {
  const micros = ((ns % SECOND) + SECOND) % SECOND;
  const seconds = (ns - micros) / SECOND;
  const date = new Date(Number(seconds) * 1000);
  if (Number.isNaN(date.getTime())) return String(ns);
  return `${date.toISOString().slice(0, -5)}.${String(micros / 1000n).padStart(6, '0')}Z`;
}

/** A value in a log's JSON: numbers, booleans and string maps stay what they are, durations and times are release 1.4's text. */
export function logValue(typed: TypedValue): unknown {
  const { type, value } = typed;
  if (typeof value === 'bigint' && type === 'DURATION') return goDuration(value);
  if (typeof value === 'bigint' && type === 'TIMESTAMP') return microsecondTime(value);
  return jsonValue(typed);
}

/** The entries of a map field as a JSON object, sorted by name. */
export function logFields(map: ReadonlyMap<string, TypedValue>): Record<string, unknown> {
  return Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => [name, logValue(value)]));
}

/** The scalar fields of an instance that are no part of `except`, by name: what there is to say of a span or an edge. */
export function scalarFields(fields: Fields, except: ReadonlySet<string>): Record<string, unknown> {
  const scalars = Object.entries(fields).flatMap(([name, field]): [string, unknown][] =>
    'type' in field && !except.has(name) ? [[name, logValue(field)]] : [],
  );
  return Object.fromEntries(scalars.sort(([a], [b]) => (a < b ? -1 : 1)));
}
