import { isIPv6 } from 'node:net';
import { z } from 'zod';

/** Protobuf's JSON takes `flush_bytes` for `flushBytes`: an object with the fields of `names` in camel case, all else as it is. */
export function camelFields(raw: unknown, names: Iterable<string>): unknown {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return raw;
  const snake = new Map([...names].map((name) => [name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), name]));
  return Object.fromEntries(Object.entries(raw).map(([key, value]) => [snake.get(key) ?? key, value]));
}

/** A whole number; 64-bit ones may stand in quotes. */
export function wholeNumber(min: number, max: number = Number.MAX_SAFE_INTEGER) {
  return z.unknown().transform((raw, context): number => {
    const number = typeof raw === 'string' && /^-?\d{1,16}$/.test(raw) ? Number(raw) : raw;
    if (typeof number === 'number' && Number.isSafeInteger(number) && number >= min && number <= max) return number;
    const range = max === Number.MAX_SAFE_INTEGER ? `from ${min} on` : `from ${min} to ${max}`;
    context.addIssue({ code: 'custom', message: `${JSON.stringify(raw)} is not a whole number ${range}` });
    return z.NEVER;
  });
}

/** An enum's value by name or by number. */
export function enumValue<const T extends string>(names: readonly T[]) {
  return z.unknown().transform((raw, context): T => {
    const found = typeof raw === 'number' ? names[raw] : names.find((name) => name === raw);
    if (found !== undefined) return found;
    context.addIssue({ code: 'custom', message: `${JSON.stringify(raw)} is not one of ${names.map((name) => `"${name}"`).join(', ')}` });
    return z.NEVER;
  });
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** `host:port`, an IPv6 host in brackets. */
export const hostPort = z.string().transform((text, context): HostPort => {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:\s/]*)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? (plain === '' ? 'localhost' : plain);
  const port = Number(digits);
  if (host !== undefined && port > 0 && port < 65536 && (bracketed === undefined || isIPv6(bracketed))) return { host, port };
  context.addIssue({ code: 'custom', message: `"${text}" is not an address: write host:port, such as fluentd:24224` });
  return z.NEVER;
});

/** An `http://` or `https://` URL. */
export const httpUrl = z.string().transform((text, context): string => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && (url.protocol === 'http:' || url.protocol === 'https:') && url.username === '' && url.password === '')
    return url.href;
  context.addIssue({
    code: 'custom',
    message: url?.username
      ? 'a URL with credentials is not taken; write them into headers'
      : `"${text}" is not a URL: it starts with http:// or https://`,
  });
  return z.NEVER;
});

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Request headers that a handler adds; their values may be secrets and never reach a log. */
export const requestHeaders = z.record(
  z.string().regex(HEADER_NAME, 'is no header name'),
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a header must not hold
  z.string().regex(/^[^\u0000-\u0008\u000a-\u001f\u007f]*$/, 'has control characters'),
);

/** A probability from 0 to 1. */
export const probability = z.number().min(0).max(1);
