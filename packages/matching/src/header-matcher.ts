import type { HeaderMatcher } from '@xebec/protos/envoy/config/route/v3/route_components';
import type { RequestHead } from '@xebec/wire';
import { compileRegex } from './regex.ts';
import { requestHeaderValues } from './request-header.ts';
import { compileStringMatcher, compileText, describeStringMatcher, type StringPredicate } from './string-matcher.ts';

/** The values of a header: several when the header is repeated. */
export type HeaderLookup = (name: string) => string | readonly string[] | undefined;
export type HeaderPredicate = (request: RequestHead) => boolean;

/** Compiles a HeaderMatcher over any source of headers, such as a response. */
export function compileHeaderLookup(matcher: HeaderMatcher): (lookup: HeaderLookup) => boolean {
  const name = matcher.name.toLowerCase();
  const { invertMatch: invert, treatMissingHeaderAsEmpty: missingIsEmpty } = matcher;
  const specifier = matcher.headerMatchSpecifier;
  if (specifier.case === undefined || specifier.case === 'presentMatch') {
    const wanted = specifier.case === undefined ? true : specifier.value;
    return (lookup) => ((lookup(name) !== undefined || missingIsEmpty) === wanted) !== invert;
  }
  const matches = compileValue(specifier);
  return (lookup) => {
    const value = lookup(name) ?? (missingIsEmpty ? '' : undefined);
    // A rule about a header that is not there does not match, inverted or not (HeaderMatcher.invert_match).
    if (value === undefined) return false;
    // Repeats of a header are matched one by one, not joined: a second value cannot hide the first from a rule.
    return (typeof value === 'string' ? matches(value) : value.some(matches)) !== invert;
  };
}

/** Compiles `envoy.config.route.v3.HeaderMatcher` for requests. */
export function compileHeaderMatcher(matcher: HeaderMatcher): HeaderPredicate {
  const matches = compileHeaderLookup(matcher);
  return (request) => matches((name) => requestHeaderValues(request, name));
}

type ValueSpecifier = Exclude<HeaderMatcher['headerMatchSpecifier'], { case: undefined } | { case: 'presentMatch' }>;

function compileValue(specifier: ValueSpecifier): StringPredicate {
  switch (specifier.case) {
    case 'exactMatch':
      return compileText('exact', specifier.value, false);
    case 'prefixMatch':
      return compileText('prefix', specifier.value, false);
    case 'suffixMatch':
      return compileText('suffix', specifier.value, false);
    case 'containsMatch':
      return compileText('contains', specifier.value, false);
    case 'safeRegexMatch':
      return compileRegex(specifier.value.regex).matches;
    case 'stringMatch':
      return compileStringMatcher(specifier.value);
    case 'rangeMatch': {
      const { start, end } = specifier.value;
      return (value) => {
        if (!/^[+-]?\d{1,19}$/.test(value)) return false;
        const number = BigInt(value.startsWith('+') ? value.slice(1) : value);
        return number >= start && number < end;
      };
    }
  }
}

/** `header end-user exact "jason"`, for explanations. */
export function describeHeaderMatcher(matcher: HeaderMatcher): string {
  const specifier = matcher.headerMatchSpecifier;
  const not = matcher.invertMatch ? 'not ' : '';
  switch (specifier.case) {
    case undefined:
      return `header ${matcher.name} ${not}present`;
    case 'presentMatch':
      return `header ${matcher.name} ${not}${specifier.value ? 'present' : 'absent'}`;
    case 'stringMatch':
      return `header ${matcher.name} ${not}${describeStringMatcher(specifier.value)}`;
    case 'safeRegexMatch':
      return `header ${matcher.name} ${not}regex "${specifier.value.regex}"`;
    case 'rangeMatch':
      return `header ${matcher.name} ${not}in [${specifier.value.start}, ${specifier.value.end})`;
    default:
      return `header ${matcher.name} ${not}${specifier.case.replace('Match', '')} "${specifier.value}"`;
  }
}
