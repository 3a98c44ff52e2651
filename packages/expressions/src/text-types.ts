import { isIPv4, isIPv6 } from 'node:net';

/** The 4 or 16 bytes of a textual address; an IPv4 address in IPv6 form becomes 4. Undefined when it is none. */
export function parseIp(text: string): Uint8Array | undefined {
  if (isIPv4(text)) return Uint8Array.from(text.split('.').map(Number));
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const [head = '', tail] = text.split('::');
  const first = groups(head);
  const last = tail === undefined ? [] : groups(tail);
  const all = [...first, ...Array.from({ length: 8 - first.length - last.length }, () => 0), ...last];
  return normalIp(Uint8Array.from(all.flatMap((group) => [group >> 8, group & 255])));
}

function groups(part: string): number[] {
  if (part === '') return [];
  return part.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}

/** IPv4-mapped IPv6 as its 4 bytes, so that both spellings of an address are equal. */
export function normalIp(bytes: Uint8Array): Uint8Array {
  const mapped = bytes.length === 16 && bytes[10] === 255 && bytes[11] === 255 && bytes.subarray(0, 10).every((byte) => byte === 0);
  return mapped ? bytes.subarray(12) : bytes;
}

export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) return `?${Buffer.from(bytes).toString('hex')}`;
  const hex = Array.from({ length: 8 }, (_, i) => (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16)).join(':');
  // The URL parser writes RFC 5952's form.
  return new URL(`http://[${hex}]/`).hostname.slice(1, -1);
}

const UNIT_NS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

/** Nanoseconds of a duration such as `10ms`, `1h30m` or `0`, as Go reads it; undefined when it is none. */
export function parseDurationNs(text: string): bigint | undefined {
  if (text.length > 64 || !/^[-+]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/.test(text)) return undefined;
  let total = 0n;
  for (const [, whole = '', fraction = '', unit = ''] of text.matchAll(/(\d*)\.?(\d*)(ns|us|µs|μs|ms|s|m|h)/g)) {
    const scale = UNIT_NS[unit] ?? 0n;
    total += BigInt(whole) * scale + (fraction === '' ? 0n : (BigInt(fraction) * scale) / 10n ** BigInt(fraction.length));
  }
  return text.startsWith('-') ? -total : total;
}

/** Nanoseconds since the epoch of an RFC 3339 time; undefined when it is none. */
export function parseTimestampNs(text: string): bigint | undefined {
  const match = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})$/.exec(text);
  if (match === null) return undefined;
  const ms = Date.parse(`${match[1] ?? ''}${match[3] ?? ''}`);
  // Date takes the 30th of February for the 1st of March, and 24:00 for midnight.
  const local = new Date(ms + zoneMs(match[3] ?? ''));
  return Number.isNaN(ms) || !local.toISOString().startsWith(match[1] ?? '')
    ? undefined
    : BigInt(ms) * 1_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'));
}

function zoneMs(zone: string): number {
  const [, sign = '+', hours = '0', minutes = '0'] = /^([+-])(\d{2}):(\d{2})$/.exec(zone) ?? [];
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
}

/** `1.5s`, `250ms`: the shortest that is exact. */
export function formatDurationNs(ns: bigint): string {
  for (const [unit, scale] of [
    ['s', 1_000_000_000n],
    ['ms', 1_000_000n],
    ['us', 1_000n],
  ] as const) {
    if (ns !== 0n && ns % scale === 0n) return `${ns / scale}${unit}`;
  }
  return ns === 0n ? '0s' : `${Number(ns) / 1e6}ms`;
}

export function formatTimestampNs(ns: bigint): string {
  const ms = ns / 1_000_000n;
  const limit = 8_640_000_000_000_000n;
  return ms > limit || ms < -limit ? String(ns) : new Date(Number(ms)).toISOString();
}
