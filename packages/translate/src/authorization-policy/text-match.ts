import type { StringMatcherSchema } from '@xebec/protos/envoy/type/matcher/v3/string';
import type { Fields } from '../envoy/any.ts';

export type StringMatcher = Fields<typeof StringMatcherSchema>;

/** Matches anything that is there. */
export const ANY_TEXT: StringMatcher = { matchPattern: { case: 'safeRegex', value: { regex: '.+' } } };

export function regexMatcher(regex: string): StringMatcher {
  return { matchPattern: { case: 'safeRegex', value: { regex } } };
}

/** A value of a policy as a matcher: exact, `prefix*`, `*suffix`, and `*` for anything that is there. */
export function textMatcher(value: string, prefix = '', ignoreCase = false): StringMatcher {
  const flag = ignoreCase ? { ignoreCase: true } : {};
  if (value === '*') return ANY_TEXT;
  if (value.startsWith('*')) {
    const suffix = value.slice(1);
    return prefix === '' ? { matchPattern: { case: 'suffix', value: suffix }, ...flag } : regexMatcher(`${prefix}.*${quote(suffix)}`);
  }
  if (value.endsWith('*')) return { matchPattern: { case: 'prefix', value: prefix + value.slice(0, -1) }, ...flag };
  return { matchPattern: { case: 'exact', value: prefix + value }, ...flag };
}

/** Text as it stands inside a regular expression of RE2. */
export function quote(text: string): string {
  return text.replaceAll(/[.+*?^${}()|[\]\\]/g, '\\$&');
}

/** Fields of a header matcher; `*` asks for the header only. */
export function headerMatch(name: string, value: string, ignoreCase: boolean) {
  return {
    name,
    headerMatchSpecifier:
      value === '*'
        ? { case: 'presentMatch' as const, value: true }
        : { case: 'stringMatch' as const, value: textMatcher(value, '', ignoreCase) },
  };
}

/** Fields of a block of addresses, or undefined when the text is none. */
export function addressBlock(text: string): { addressPrefix: string; prefixLen: number } | undefined {
  const [address = '', length, ...rest] = text.split('/');
  const v6 = address.includes(':');
  const valid = v6
    ? /^[0-9a-fA-F:.]+$/.test(address)
    : /^(?:\d{1,3}\.){3}\d{1,3}$/.test(address) && address.split('.').every((part) => Number(part) < 256);
  const most = v6 ? 128 : 32;
  const prefixLen = length === undefined ? most : Number(length);
  if (!valid || rest.length > 0 || !Number.isInteger(prefixLen) || prefixLen < 0 || prefixLen > most) return undefined;
  return { addressPrefix: address, prefixLen };
}
