import { domainToUnicode } from 'node:url';

/**
 * DNS names, e-mail addresses and URIs are kept as they are written, and equal when they mean the same. What is one, and what is equal, is
 * release 1.4's: RFC 5891 for names (as lenient as its library was), RFC 5322 for addresses, RFC 3986 for URIs.
 */

/** With its punycode labels in Unicode; undefined when it is no DNS name. */
export function parseDnsName(text: string): string | undefined {
  const labels = (text.endsWith('.') && text !== '.' ? text.slice(0, -1) : text).split('.');
  const unicode = labels.map((label) => (label.startsWith('xn--') ? domainToUnicode(label) : label));
  const fits = unicode.every((label) => label !== '' && !/^-|-$|^..--/.test(label));
  return fits && text.length <= MAX_LENGTH ? `${unicode.join('.')}${text.endsWith('.') ? '.' : ''}` : undefined;
}

/** As it is; undefined when it is no address, or one with a display name or comment. */
export function parseEmail(text: string): string | undefined {
  const parts = emailParts(text);
  return parts === undefined || (parts.domain !== undefined && parseDnsName(parts.domain) === undefined) ? undefined : text;
}

/** As it is; undefined when it is no absolute or relative URI. */
export function parseUri(text: string): string | undefined {
  return uriParts(text) === undefined ? undefined : text;
}

/** What equal names have in common; undefined where the name has what no host name may have. */
export function normalDnsName(name: string): string | undefined {
  if (!/^[A-Za-z0-9.\u0080-\uffff-]*$/.test(name)) return undefined;
  const labels = name.split('.').map((label) => (isPlain(label) ? label : domainToUnicode(label) || label.toLowerCase()));
  return labels.join('.').replace(/(?<=.)\.$/, '');
}

export function normalEmail(text: string): string | undefined {
  // An attribute may come with a display name.
  const parts = emailParts(text.replace(/^[^<>@]*</, '<'));
  if (parts?.domain === undefined) return parts?.local;
  const domain = normalDnsName(parts.domain);
  return domain === undefined ? undefined : `${parts.local}@${domain}`;
}

/** Hosts are names in `http` and `https` alone. */
export function normalUri(text: string): string | undefined {
  const parts = uriParts(text);
  if (parts === undefined) return undefined;
  const { scheme, authority, rest } = parts;
  const start = scheme === '' ? '' : `${scheme}:`;
  if (authority === undefined) return `${start}${rest}`;
  if (scheme !== 'http' && scheme !== 'https') return `${start}//${authority}${rest}`;
  const [, user = '', literal, name = '', port = ''] = /^(.*@)?(?:(\[.*\])|([^:]*))(:.*)?$/.exec(authority) ?? [];
  const host = literal ?? normalDnsName(name);
  return host === undefined ? undefined : `${start}//${user}${host}${port === ':' ? '' : port}${rest}`;
}

const MAX_LENGTH = 8192;
const ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~\\u0080-\\uffff-]+";
const ATOMS = `${ATOM}(?:\\.${ATOM})*`;
const EMAIL = new RegExp(`^\\s*(<?)(?:(${ATOMS})|"((?:[^"\\\\\\r\\n]|\\\\.)*)")@(?:(${ATOMS})|(\\[[^\\[\\]\\\\\\s]*\\]))(>?)\\s*$`);

/** `domain` undefined: an address literal, which is in `local` too. */
function emailParts(text: string): { readonly local: string; readonly domain: string | undefined } | undefined {
  const match = text.length > MAX_LENGTH ? null : EMAIL.exec(text);
  if (match === null || (match[1] === '') !== (match[6] === '')) return undefined;
  const [, , atoms, quoted = '', domain, literal = ''] = match;
  const local = atoms ?? quoted.replaceAll(/\\(.)/g, '$1');
  return { local: domain === undefined ? `${local}@${literal}` : local, domain };
}

const isPlain = (label: string): boolean => /^[a-z0-9-]*$/.test(label) && !label.startsWith('xn--');

interface UriParts {
  readonly scheme: string;
  readonly authority: string | undefined;
  /** Path, query and fragment, with what must be escaped escaped. */
  readonly rest: string;
}

function uriParts(text: string): UriParts | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused
  if (text === '' || text.length > MAX_LENGTH || /[\x00-\x1f\x7f]/.test(text)) return undefined;
  const [, scheme = '', authority, path = '', query = '', fragment = ''] =
    /^(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?:\/\/([^/?#]*))?([^?#]*)(\?[^#]*)?(#.*)?$/s.exec(text) ?? [];
  const firstSegment = path.split('/')[0] ?? '';
  if (scheme === '' && authority === undefined && firstSegment.includes(':')) return undefined;
  if ([path, fragment].some((part) => /%(?![0-9A-Fa-f]{2})/.test(part))) return undefined;
  if (authority !== undefined && !/^(?:[^@[\]\s<>"]*@)?(?:\[[0-9A-Fa-f:.]*(?:%25[^\]]*)?\]|[^@:[\]%\s<>"]*)(?::\d*)?$/.test(authority))
    return undefined;
  const rest = `${escaped(path)}${query}${fragment === '#' ? '' : escaped(fragment)}`;
  return { scheme: scheme.toLowerCase(), authority, rest };
}

const escaped = (part: string): string =>
  part.replaceAll(/[^\x21\x23-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e]+/g, (run) => encodeURIComponent(run.toWellFormed()));
