import { XebecError } from '@xebec/core';
import type { MetadataMatcher } from '@xebec/protos/envoy/type/matcher/v3/metadata';
import type { ValueMatcher } from '@xebec/protos/envoy/type/matcher/v3/value';
import { compileStringMatcher } from './string-matcher.ts';

export type ValuePredicate = (value: unknown) => boolean;
/** Metadata by filter name, as `StreamInfo.dynamicMetadata` has it. */
export type MetadataLookup = (filter: string) => Readonly<Record<string, unknown>> | undefined;

/** Compiles `envoy.type.matcher.v3.MetadataMatcher`. */
export function compileMetadataMatcher(matcher: MetadataMatcher): (lookup: MetadataLookup) => boolean {
  const keys = matcher.path.map((segment) => segment.segment.value ?? '');
  const { filter, invert } = matcher;
  const matches = matcher.value === undefined ? () => false : compileValueMatcher(matcher.value);
  return (lookup) => {
    let value: unknown = lookup(filter);
    for (const key of keys) {
      value = typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined;
    }
    return matches(value) !== invert;
  };
}

/** Compiles `envoy.type.matcher.v3.ValueMatcher` over plain JSON values. */
export function compileValueMatcher(matcher: ValueMatcher): ValuePredicate {
  const pattern = matcher.matchPattern;
  switch (pattern.case) {
    case 'nullMatch':
      return (value) => value === null;
    case 'boolMatch':
      return (value) => value === pattern.value;
    case 'presentMatch':
      // `false` matches nothing, as in Envoy; the matcher's `invert` says "absent".
      return (value) => pattern.value && value !== undefined && value !== null;
    case 'stringMatch': {
      const matches = compileStringMatcher(pattern.value);
      return (value) => typeof value === 'string' && matches(value);
    }
    case 'doubleMatch': {
      const number = pattern.value.matchPattern;
      if (number.case === 'range') return (value) => typeof value === 'number' && value >= number.value.start && value < number.value.end;
      return (value) => typeof value === 'number' && value === number.value;
    }
    case 'listMatch': {
      const item = pattern.value.matchPattern;
      if (item.case === undefined) return () => false;
      const matches = compileValueMatcher(item.value);
      return (value) => Array.isArray(value) && value.some(matches);
    }
    case 'orMatch': {
      const any = pattern.value.valueMatchers.map(compileValueMatcher);
      return (value) => any.some((matches) => matches(value));
    }
    default:
      throw new XebecError('E_MATCHER', 'value matcher has no pattern');
  }
}
