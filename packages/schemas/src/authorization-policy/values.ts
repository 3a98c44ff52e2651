import { isIP, isIPv4 } from 'node:net';

/** Says what is wrong with one value, or nothing. */
export type ValueCheck = (value: string) => string | undefined;

const MAX_ACCOUNT = 320;
/** pchar of RFC 3986, as far as path templates take it. */
const LITERAL = /^[a-zA-Z0-9\-._~%!$&'()+,;:@=]+$/;

export const notEmpty: ValueCheck = (value) => (value === '' ? 'must not be empty' : undefined);

export const address: ValueCheck = (value) => {
  if (value === '') return notEmpty(value);
  const [ip = '', bits, ...rest] = value.split('/');
  if (bits === undefined) return isIP(ip) !== 0 ? undefined : `"${value}" is not an IP address`;
  const longest = isIPv4(ip) ? 32 : 128;
  const sound = rest.length === 0 && isIP(ip) !== 0 && !ip.includes('%') && /^(?:0|[1-9]\d{0,2})$/.test(bits) && Number(bits) <= longest;
  return sound ? undefined : `"${value}" is not a CIDR range, such as 10.0.0.0/8`;
};

export const port: ValueCheck = (value) =>
  /^\d+$/.test(value) && Number(value) <= 65535 ? undefined : `"${value}" is not a port: write a number from 0 to 65535`;

export const serviceAccount: ValueCheck = (value) => {
  if (value === '') return notEmpty(value);
  if (value.includes('*')) return `"${value}": wildcards are not supported here; use principals`;
  const parts = value.split('/');
  if (parts.length > 2 || parts.includes('')) return `"${value}" is neither an account nor namespace/account`;
  return value.length > MAX_ACCOUNT ? `longer than ${MAX_ACCOUNT} characters` : undefined;
};

/** Exact, `prefix*`, `*suffix` or `*`. */
export const oneWildcard: ValueCheck = (value) => {
  if (value === '') return notEmpty(value);
  const count = value.split('*').length - 1;
  if (count > 1) return `"${value}" has more than one wildcard`;
  return count === 1 && !value.startsWith('*') && !value.endsWith('*') ? `"${value}": a wildcard stands first or last` : undefined;
};

export const trustDomain: ValueCheck = (value) =>
  oneWildcard(value) ?? (value.includes('/') ? `"${value}": a trust domain has no "/"` : undefined);

/** Paths may be templates: `{*}` is one segment, `{**}` any number of them, the last wildcard of a path. */
export const path: ValueCheck = (value) => {
  if (value === '') return notEmpty(value);
  const template = value.includes('{*}') || value.includes('{**}');
  let anyNumber = false;
  for (const segment of value.replaceAll(/^\/+|\/+$/g, '').split('/')) {
    if (segment === '{*}' || segment === '{**}') {
      if (anyNumber) return `"${value}": nothing but literal segments can follow {**}`;
      anyNumber = segment === '{**}';
    } else if (/[{}]/.test(segment)) return `"${value}": braces stand only in segments that are {*} or {**}`;
    else if (template && !LITERAL.test(segment)) return `"${value}": segment "${segment}" cannot stand in a path template`;
  }
  return undefined;
};
