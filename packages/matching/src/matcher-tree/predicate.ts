import { fromBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { XebecError } from '@xebec/core';
import { IpSchema } from '@xebec/protos/envoy/extensions/matching/input_matchers/ip/v3/ip';
import { MetadataSchema } from '@xebec/protos/envoy/extensions/matching/input_matchers/metadata/v3/metadata';
import { CelMatcherSchema } from '@xebec/protos/xds/type/matcher/v3/cel';
import type {
  Matcher_MatcherList_Predicate as PredicateProto,
  Matcher_MatcherList_Predicate_SinglePredicate as SinglePredicate,
} from '@xebec/protos/xds/type/matcher/v3/matcher';
import type { StringMatcher } from '@xebec/protos/xds/type/matcher/v3/string';
import { compileCelExpression } from '../cel/cel-condition.ts';
import { compileCidr } from '../cidr.ts';
import { compileValueMatcher } from '../metadata-matcher.ts';
import { compileRegex } from '../regex.ts';
import { compileText, type StringPredicate } from '../string-matcher.ts';
import { compileDataInput, type DataInput, type MatchSubject } from './data-input.ts';
import type { TreePlace } from './tree-place.ts';

export type TreePredicate = (subject: MatchSubject) => boolean;

/** Compiles a predicate of a matcher list; throws XebecError `E_MATCHER`. */
export function compilePredicate(proto: PredicateProto | undefined, place: TreePlace): TreePredicate {
  const type = proto?.matchType;
  switch (type?.case) {
    case 'singlePredicate':
      return compileSingle(type.value, place);
    case 'orMatcher': {
      const parts = type.value.predicate.map((part) => compilePredicate(part, place));
      return (subject) => parts.some((part) => part(subject));
    }
    case 'andMatcher': {
      const parts = type.value.predicate.map((part) => compilePredicate(part, place));
      return (subject) => parts.every((part) => part(subject));
    }
    case 'notMatcher': {
      const part = compilePredicate(type.value, place);
      return (subject) => !part(subject);
    }
    default:
      throw new XebecError('E_MATCHER', 'matcher predicate is empty; set single_predicate, or_matcher, and_matcher or not_matcher');
  }
}

function compileSingle({ input, matcher }: SinglePredicate, place: TreePlace): TreePredicate {
  const data = compileDataInput(input, place);
  if (matcher.case === 'valueMatch') return onText(data, compileXdsStringMatcher(matcher.value), 'value_match');
  const any = matcher.case === 'customMatch' ? matcher.value.typedConfig : undefined;
  if (any === undefined) throw new XebecError('E_MATCHER', 'single predicate has no matcher; set value_match or custom_match');
  return compileCustom(data, any);
}

function onText(data: DataInput, matches: StringPredicate, what: string): TreePredicate {
  if (data.kind !== 'text') throw new XebecError('E_MATCHER', `unsupported data input type for ${what}`);
  return (subject) => {
    const value = data.read(subject);
    return value !== undefined && matches(value);
  };
}

function compileCustom(data: DataInput, any: Any): TreePredicate {
  const typeName = any.typeUrl.slice(any.typeUrl.lastIndexOf('/') + 1);
  switch (typeName) {
    case IpSchema.typeName: {
      const ranges = fromBinary(IpSchema, any.value).cidrRanges.map(compileCidr);
      return onText(data, (address) => ranges.some((contains) => contains(address)), typeName);
    }
    case MetadataSchema.typeName: {
      if (data.kind !== 'metadata') throw new XebecError('E_MATCHER', `unsupported data input type for ${typeName}`);
      const { value, invert } = fromBinary(MetadataSchema, any.value);
      const matches = value === undefined ? () => false : compileValueMatcher(value);
      return (subject) => matches(data.read(subject)) !== invert;
    }
    case CelMatcherSchema.typeName: {
      if (data.kind !== 'attributes') throw new XebecError('E_MATCHER', `unsupported data input type for ${typeName}`);
      const { exprMatch } = fromBinary(CelMatcherSchema, any.value);
      if (exprMatch === undefined) throw new XebecError('E_MATCHER', 'CelMatcher has no expr_match');
      return compileCelExpression(exprMatch);
    }
    default:
      throw new XebecError('E_MATCHER', `custom matcher "${typeName}" is not supported`);
  }
}

/** Compiles `xds.type.matcher.v3.StringMatcher`. */
export function compileXdsStringMatcher({ matchPattern: pattern, ignoreCase }: StringMatcher): StringPredicate {
  switch (pattern.case) {
    case 'safeRegex':
      return compileRegex(pattern.value.regex).matches;
    case 'exact':
    case 'prefix':
    case 'suffix':
    case 'contains':
      return compileText(pattern.case, pattern.value, ignoreCase);
    default:
      throw new XebecError('E_MATCHER', 'string matcher has no pattern; set exact, prefix, suffix, contains or safe_regex');
  }
}
