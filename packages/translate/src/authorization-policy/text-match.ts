import type { StringMatcherSchema } from '@xebec/protos/envoy/type/matcher/v3/string';
import type { Fields } from '../envoy/any.ts';

type StringMatcher = Fields<typeof StringMatcherSchema>;

/** A value of a policy as a matcher: exact, `prefix*`, `*suffix`, and `*` for anything that is there. */
export function textMatcher(value: string, prefix = '', ignoreCase = false): StringMatcher {
  const flag = ignoreCase ? { ignoreCase: true } : {};
  if (value === '*') return { matchPattern: { case: 'safeRegex', value: { regex: '.+' } } };
  if (value.startsWith('*')) return { matchPattern: { case: 'suffix', value: value.slice(1) }, ...flag };
  if (value.endsWith('*')) return { matchPattern: { case: 'prefix', value: prefix + value.slice(0, -1) }, ...flag };
  return { matchPattern: { case: 'exact', value: prefix + value }, ...flag };
}

/** A value inside a regular expression: text is quoted, a `*` at either end stands for anything but a slash. */
export function insideRegex(value: string): string {
  return value
    .split('*')
    .map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'))
    .join('[^/]*');
}
