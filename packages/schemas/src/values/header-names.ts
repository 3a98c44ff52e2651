import type { ValueCheck } from './value-check.ts';

/** token of RFC 9110. */
const TOKEN = /^[!#$%&'*+\-.^_`|~A-Za-z0-9]+$/;
const PSEUDO: ReadonlySet<string> = new Set([':method', ':scheme', ':authority', ':path', ':status']);
const CLAIMS = '@request.auth.claims';

/** `@request.auth.claims.NAME` and `@request.auth.claims[NAME]`: a claim of a token, matched like a header. */
export function isClaim(name: string): boolean {
  if (!name.toLowerCase().startsWith(CLAIMS)) return false;
  const rest = name.slice(CLAIMS.length);
  return (rest.startsWith('.') && rest.length > 1) || (rest.startsWith('[') && rest.endsWith(']') && rest.length > 2);
}

export const isAuthority = (name: string): boolean => [':authority', 'host'].includes(name.toLowerCase());

/** A header that requests are matched by. */
export const matchedHeader: ValueCheck = (name) => {
  if (name === '') return 'the name of the header is empty';
  return isClaim(name) || PSEUDO.has(name) || TOKEN.test(name) ? undefined : `"${name}" is not the name of a header`;
};

/** A header of CORS; `*` is any. */
export const corsHeader: ValueCheck = (name) => {
  if (name === '') return 'the name of the header is empty';
  return TOKEN.test(name) ? undefined : `"${name}" is not the name of a header`;
};

export const probeHeader: ValueCheck = (name) => {
  if (name === '') return 'the name of the header is empty';
  return /^[-A-Za-z0-9]+$/.test(name) ? undefined : `"${name}" is not the name of a header`;
};

/** A header of a request that is set or added; the authority may be. */
export const requestHeader: ValueCheck = (name) => {
  if (name === '') return 'the name of the header is empty';
  return name.startsWith(':') && !isAuthority(name) ? `"${name}": headers that begin with ":" are the protocol's own` : undefined;
};

/** A header that is removed, or set on a response. */
export const plainHeader: ValueCheck = (name) => {
  if (name === '') return 'the name of the header is empty';
  if (name.toLowerCase() === 'host') return `"${name}" cannot be changed here`;
  return name.startsWith(':') ? `"${name}": headers that begin with ":" are the protocol's own` : undefined;
};
