import { ok, type Result } from '@xebec/core';
import { quoted, type Refusal, refuse } from './refusal.ts';

/** One certificate that a proxy tells of in `x-forwarded-client-cert`. */
export interface ForwardedCertificate {
  /** URI SANs of the proxies that forwarded it. */
  readonly by: readonly string[];
  /** SHA-256 of its DER, hex. */
  readonly hash?: string;
  /** URL-encoded PEM of the leaf, and of the whole chain, as they came. */
  readonly cert?: string;
  readonly chain?: string;
  readonly subject?: string;
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
}

const MAX_BYTES = 64 * 1024;
const MAX_ELEMENTS = 64;
const MAX_PAIRS = 64;

/**
 * Reads `x-forwarded-client-cert` as Envoy writes it (its page on HTTP headers): elements between commas, the client's first and the one
 * that the last proxy saw at the end; pairs between semicolons; values that hold `,`, `;` or `=` in double quotes, with `\"` for a quote.
 */
export function parseXfcc(header: string): Result<ForwardedCertificate[], Refusal> {
  if (header.length > MAX_BYTES) return refuse('E_XFCC', `the header has ${header.length} bytes, at most ${MAX_BYTES} are read`);
  const elements: ForwardedCertificate[] = [];
  let pairs: [string, string][] = [];
  let at = 0;
  for (;;) {
    const pair = readPair(header, at);
    if (!pair.ok) return pair;
    pairs.push([pair.value.key, pair.value.value]);
    if (pairs.length > MAX_PAIRS) return refuse('E_XFCC', `an element has more than ${MAX_PAIRS} pairs`);
    at = pair.value.end;
    const separator = header[at];
    if (separator !== ';') {
      const element = elementOf(pairs);
      if (!element.ok) return element;
      elements.push(element.value);
      if (elements.length > MAX_ELEMENTS) return refuse('E_XFCC', `the header has more than ${MAX_ELEMENTS} elements`);
      pairs = [];
      if (separator === undefined) return ok(elements);
    }
    at++;
  }
}

function readPair(header: string, start: number): Result<{ key: string; value: string; end: number }, Refusal> {
  let at = start;
  // HTTP joins header lines with a comma and a space.
  while (header[at] === ' ') at++;
  const equals = header.indexOf('=', at);
  const key = equals === -1 ? header.slice(at) : header.slice(at, equals);
  if (equals === -1 || !/^[A-Za-z]{1,16}$/.test(key)) return refuse('E_XFCC', `${quoted(key)} at byte ${at} is no key with a value`);
  at = equals + 1;
  if (header[at] !== '"') {
    const rest = header.slice(at);
    const length = rest.search(/[,;]/);
    const value = length === -1 ? rest : rest.slice(0, length);
    if (/["=\\]/.test(value)) return refuse('E_XFCC', `the value of ${key} at byte ${at} wants quotes`);
    return ok({ key, value, end: at + value.length });
  }
  let value = '';
  for (at++; at < header.length; at++) {
    const char = header[at];
    if (char === '"') {
      const next = header[at + 1];
      if (next !== undefined && next !== ',' && next !== ';') return refuse('E_XFCC', `something follows the quoted value of ${key}`);
      return ok({ key, value, end: at + 1 });
    }
    if (char === '\\' && at + 1 < header.length) at++;
    value += header[at];
  }
  return refuse('E_XFCC', `the quoted value of ${key} has no end`);
}

function elementOf(pairs: readonly (readonly [string, string])[]): Result<ForwardedCertificate, Refusal> {
  const all = (name: string): string[] => pairs.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
  const found: { -readonly [K in keyof ForwardedCertificate]: ForwardedCertificate[K] } = {
    by: all('by'),
    uris: all('uri').filter((value) => value !== ''),
    dnsNames: all('dns').filter((value) => value !== ''),
  };
  for (const name of ['hash', 'cert', 'chain', 'subject'] as const) {
    const [value, second] = all(name);
    if (second !== undefined) return refuse('E_XFCC', `an element has ${name} twice`);
    if (value !== undefined) found[name] = value;
  }
  const unknown = pairs.find(([key]) => !/^(by|hash|cert|chain|subject|uri|dns)$/i.test(key));
  if (unknown !== undefined) return refuse('E_XFCC', `${quoted(unknown[0])} is no key of the header`);
  return ok(found);
}
