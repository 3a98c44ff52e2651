import { XebecError } from '@xebec/core';
import type { StringMatcher } from '@xebec/protos/envoy/type/matcher/v3/string';
import { compileRegex } from './regex.ts';

export type StringPredicate = (value: string) => boolean;

/** Compiles `envoy.type.matcher.v3.StringMatcher`; `ignore_case` has no effect on regular expressions. */
export function compileStringMatcher(matcher: StringMatcher): StringPredicate {
  const pattern = matcher.matchPattern;
  switch (pattern.case) {
    case 'safeRegex':
      return compileRegex(pattern.value.regex).matches;
    case 'exact':
    case 'prefix':
    case 'suffix':
    case 'contains':
      return compileText(pattern.case, pattern.value, matcher.ignoreCase);
    case 'custom':
      throw new XebecError('E_MATCHER', `string matcher extension "${pattern.value.name}" is not supported`);
    default:
      throw new XebecError('E_MATCHER', 'string matcher has no pattern; set exact, prefix, suffix, contains or safe_regex');
  }
}

export type TextMatch = 'exact' | 'prefix' | 'suffix' | 'contains';

export function compileText(kind: TextMatch, text: string, ignoreCase: boolean): StringPredicate {
  if (ignoreCase) {
    const folded = compileText(kind, asciiLower(text), false);
    return (value) => folded(asciiLower(value));
  }
  switch (kind) {
    case 'exact':
      return (value) => value === text;
    case 'prefix':
      return (value) => value.startsWith(text);
    case 'suffix':
      return (value) => value.endsWith(text);
    case 'contains':
      return (value) => value.includes(text);
  }
}

/** Folds A-Z only: header text is bytes, and Unicode folding would make different bytes equal. */
export function asciiLower(text: string): string {
  return /[A-Z]/.test(text) ? text.replaceAll(/[A-Z]+/g, (part) => part.toLowerCase()) : text;
}

/** A short description for explanations: `prefix "/api"`. */
export function describeStringMatcher(matcher: StringMatcher): string {
  const pattern = matcher.matchPattern;
  const suffix = matcher.ignoreCase ? ' (any case)' : '';
  switch (pattern.case) {
    case 'safeRegex':
      return `regex "${pattern.value.regex}"`;
    case 'custom':
      return pattern.value.name;
    case undefined:
      return 'nothing';
    default:
      return `${pattern.case} "${pattern.value}"${suffix}`;
  }
}
