import { err, errorText, ok, type Result } from '@xebec/core';
import { compileRegex } from '@xebec/matching';
import { responseFlagNames } from '@xebec/telemetry';
import { grpcStatusNumber } from './grpc-status-number.ts';

/** One header that a request must have; without `value` any will do. */
export interface HeaderCondition {
  readonly name: string;
  readonly value: string | undefined;
  /** `value` is a regular expression that is to be found in the header. */
  readonly regex: boolean;
}

/** A text to begin with, or an expression to be found. */
export interface PathCondition {
  readonly value: string;
  readonly regex: boolean;
}

/** What one viewer wants to see. Plain data: worker threads get it as it is. Empty lists ask for nothing. */
export interface TapRequest {
  readonly path: PathCondition | undefined;
  /** In capitals. */
  readonly methods: readonly string[];
  /** Inclusive ranges; 0 is a request without an answer. */
  readonly statuses: readonly (readonly [from: number, to: number])[];
  readonly grpcStatuses: readonly number[];
  readonly headers: readonly HeaderCondition[];
  /** A principal or a workload; see `namesParty`. */
  readonly from: string | undefined;
  readonly to: string | undefined;
  /** In lower case; `*.example.com` takes everything below. */
  readonly host: string | undefined;
  readonly direction: 'inbound' | 'outbound' | undefined;
  readonly minDurationMs: number;
  /** Response flags, of which one is to be set. */
  readonly flags: readonly string[];
  /** Events per second of the whole proxy for this viewer. */
  readonly maxRps: number;
  readonly durationMs: number;
  /** Headers whose values are shown although they are secret, in lower case; `*` for all. */
  readonly showHeaders: readonly string[];
}

export const tapLimits = {
  /** Per proxy, all threads together. */
  viewers: 8,
  defaultRps: 50,
  maxRps: 1000,
  defaultDurationMs: 600_000,
  maxDurationMs: 3_600_000,
  expressionLength: 1024,
  headerConditions: 16,
  listEntries: 32,
  valueLength: 1024,
} as const;

/** The parameters of the admin page, with what they mean: `/help` and the home page show them. */
export const tapParameters: Readonly<Record<string, string>> = {
  path: 'Beginning of the path, or ~ and a regular expression (RE2) to be found in it',
  method: 'Methods, with commas',
  status: 'Statuses: 404, 5xx, 500-599, with commas; 0 is a request without an answer',
  grpc_status: 'gRPC statuses by number or name, with commas',
  header: 'A request header: name, name:value or name:~expression; several times for several',
  from: 'Who calls: a SPIFFE ID, namespace/account, workload or workload.namespace',
  to: 'Who is called: like from, or a service',
  host: 'Authority without its port (of TLS that passes through: the server name); *.example.com for everything below',
  direction: 'One of (inbound, outbound)',
  min_duration: 'Shortest duration that is shown: 250ms, 1.5s',
  flags: 'Response flags of which one is to be set, with commas: UF,NR',
  max_rps: `Most events in a second, up to ${tapLimits.maxRps} (${tapLimits.defaultRps})`,
  duration: 'When the stream ends, up to 1h (10m)',
  show_headers: 'Headers whose values are shown although they are secret, with commas; * for all',
};

/** Reads the parameters; every wrong one is a line that names it and what it can be. */
export function parseTapRequest(query: URLSearchParams): Result<TapRequest, readonly string[]> {
  const errors: string[] = [];
  const wrong = (name: string, value: string, why: string): void => void errors.push(`${name} "${value.slice(0, 100)}": ${why}`);
  for (const name of new Set(query.keys())) {
    if (!Object.hasOwn(tapParameters, name))
      wrong(name, query.get(name) ?? '', `there is no such parameter; there are ${Object.keys(tapParameters).join(', ')}`);
    else if (name !== 'header' && query.getAll(name).length > 1) wrong(name, query.get(name) ?? '', 'is given more than once');
  }
  const text = (name: string): string | undefined => {
    const value = query.get(name) ?? '';
    if (value.length > tapLimits.valueLength) wrong(name, value, `is longer than ${tapLimits.valueLength} characters`);
    return value === '' ? undefined : value.slice(0, tapLimits.valueLength);
  };
  const list = (name: string): readonly string[] => {
    const entries = (text(name) ?? '')
      .split(',')
      .map((entry) => entry.trim())
      .filter((entry) => entry !== '');
    if (entries.length > tapLimits.listEntries) wrong(name, entries.join(','), `has more than ${tapLimits.listEntries} entries`);
    return entries;
  };
  const duration = (name: string, least: number, most: number): number | undefined => {
    const value = text(name);
    if (value === undefined) return undefined;
    const ms = durationMs(value);
    if (ms === undefined) wrong(name, value, 'is no duration; write 250ms, 10s, 5m or 1h');
    else if (ms < least || ms > most) wrong(name, value, `must be from ${least} ms to ${most / 60_000} minutes`);
    return ms;
  };
  const expression = (name: string, value: string): void => {
    try {
      compileRegex(value);
    } catch (error) {
      wrong(name, value, errorText(error));
    }
  };
  const pathText = text('path');
  let path: PathCondition | undefined;
  if (pathText !== undefined) {
    path = pathText.startsWith('~') ? { value: pathText.slice(1), regex: true } : { value: pathText, regex: false };
    if (path.regex) expression('path', path.value);
    else if (!path.value.startsWith('/') && path.value !== '*')
      wrong('path', pathText, 'must begin with / or with ~ for a regular expression');
  }
  const statuses: (readonly [number, number])[] = [];
  for (const entry of list('status')) {
    const range = statusRange(entry);
    if (range === undefined) wrong('status', entry, 'is no status; write 404, 5xx or 500-599');
    else statuses.push(range);
  }
  const grpcStatuses: number[] = [];
  for (const entry of list('grpc_status')) {
    const status = grpcStatusNumber(entry);
    if (status === undefined) wrong('grpc_status', entry, 'is no gRPC status; write a number from 0 to 16 or a name such as UNAVAILABLE');
    else grpcStatuses.push(status);
  }
  const headers: HeaderCondition[] = [];
  for (const entry of query.getAll('header')) {
    const colon = entry.indexOf(':', entry.startsWith(':') ? 1 : 0);
    const name = (colon === -1 ? entry : entry.slice(0, colon)).trim().toLowerCase();
    const rest = colon === -1 ? undefined : entry.slice(colon + 1).trim();
    const regex = rest?.startsWith('~') === true;
    const value = regex ? rest?.slice(1) : rest;
    if (!/^:?[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)) wrong('header', entry, 'is no header; write name, name:value or name:~expression');
    else if ((value?.length ?? 0) > tapLimits.expressionLength)
      wrong('header', entry, `is longer than ${tapLimits.expressionLength} characters`);
    else if (regex) expression('header', value ?? '');
    headers.push({ name, value, regex });
  }
  if (headers.length > tapLimits.headerConditions)
    wrong('header', String(headers.length), `more than ${tapLimits.headerConditions} headers`);
  const direction = text('direction');
  if (direction !== undefined && direction !== 'inbound' && direction !== 'outbound')
    wrong('direction', direction, 'must be inbound or outbound');
  const flags = list('flags').map((flag) => flag.toUpperCase());
  for (const flag of flags) if (!knownFlags.has(flag)) wrong('flags', flag, `is no response flag; there are ${[...knownFlags].join(', ')}`);
  const rpsText = text('max_rps');
  const maxRps = rpsText === undefined ? tapLimits.defaultRps : Number(rpsText);
  if (!Number.isInteger(maxRps) || maxRps < 1 || maxRps > tapLimits.maxRps)
    wrong('max_rps', rpsText ?? '', `must be a whole number from 1 to ${tapLimits.maxRps}`);
  const minDurationMs = duration('min_duration', 0, tapLimits.maxDurationMs) ?? 0;
  const durationLimitMs = duration('duration', 1, tapLimits.maxDurationMs) ?? tapLimits.defaultDurationMs;
  const request: TapRequest = {
    path,
    methods: list('method').map((method) => method.toUpperCase()),
    statuses,
    grpcStatuses,
    headers,
    from: text('from'),
    to: text('to'),
    host: text('host')?.toLowerCase(),
    direction: direction === 'inbound' || direction === 'outbound' ? direction : undefined,
    minDurationMs,
    flags,
    maxRps,
    durationMs: durationLimitMs,
    showHeaders: list('show_headers').map((name) => name.toLowerCase()),
  };
  return errors.length > 0 ? err(errors) : ok(request);
}

const knownFlags: ReadonlySet<string> = new Set(responseFlagNames.keys());

function statusRange(text: string): readonly [number, number] | undefined {
  if (text === '0' || text === '-') return [0, 0];
  const whole = /^([1-5])xx$/i.exec(text);
  if (whole !== null) return [Number(whole[1]) * 100, Number(whole[1]) * 100 + 99];
  const [, from, to] = /^([1-9][0-9]{2})(?:-([1-9][0-9]{2}))?$/.exec(text) ?? [];
  if (from === undefined) return undefined;
  const range = [Number(from), Number(to ?? from)] as const;
  return range[0] <= range[1] ? range : undefined;
}

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds of `250ms`, `1.5s`, `1m30s`; undefined for what is none. */
export function durationMs(text: string): number | undefined {
  if (text.length > 32 || !/^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)/g)) total += Number(amount) * (unitsMs[unit ?? ''] ?? 0);
  return total;
}
