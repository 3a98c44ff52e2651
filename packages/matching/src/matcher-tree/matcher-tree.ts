import { fromBinary } from '@bufbuild/protobuf';
import { XebecError } from '@xebec/core';
import type { TypedExtensionConfig } from '@xebec/protos/xds/core/v3/extension';
import { ServerNameMatcherSchema } from '@xebec/protos/xds/type/matcher/v3/domain';
import { IPMatcherSchema } from '@xebec/protos/xds/type/matcher/v3/ip';
import type { Matcher, Matcher_OnMatch as OnMatch, Matcher_MatcherTree as TreeProto } from '@xebec/protos/xds/type/matcher/v3/matcher';
import { compileCidr } from '../cidr.ts';
import { compileDataInput, type MatchSubject } from './data-input.ts';
import { compilePredicate } from './predicate.ts';
import type { TreePlace } from './tree-place.ts';

/** Decides on an action; undefined when nothing matched. */
export type MatcherTree<A> = (subject: MatchSubject) => A | undefined;

/** Compiles an action; throws XebecError for one that does not belong here. */
export type CompileTreeAction<A extends object> = (config: TypedExtensionConfig) => A;

/** Envoy's limit of matchers in matchers. */
const maxDepth = 64;

/**
 * Compiles `xds.type.matcher.v3.Matcher`: lists in order and trees by exact text, longest prefix, address range or server name. A nested
 * matcher that does not decide leaves it to what comes after it, and at last to `on_no_match`. Throws XebecError `E_MATCHER`.
 */
export function compileMatcherTree<A extends object>(
  proto: Matcher,
  place: TreePlace,
  action: CompileTreeAction<A>,
  depth = 0,
): MatcherTree<A> {
  if (depth > maxDepth) throw new XebecError('E_MATCHER', 'matcher tree exceeds max recursion depth');
  const outcome = (onMatch: OnMatch | undefined): MatcherTree<A> => {
    if (onMatch?.keepMatching === true) {
      if (place !== 'filter-chain') throw new XebecError('E_MATCHER', 'keep_matching is not supported in this context');
      // What it would decide is for those who ask for all that matched; a choice of one goes on.
      outcome({ ...onMatch, keepMatching: false });
      return () => undefined;
    }
    switch (onMatch?.onMatch.case) {
      case 'matcher':
        return compileMatcherTree(onMatch.onMatch.value, place, action, depth + 1);
      case 'action': {
        const compiled = action(onMatch.onMatch.value);
        return () => compiled;
      }
      default:
        throw new XebecError('E_MATCHER', 'on_match is empty; set matcher or action');
    }
  };
  const otherwise = proto.onNoMatch === undefined ? undefined : outcome(proto.onNoMatch);
  const kind = proto.matcherType;
  const chosen =
    kind.case === 'matcherList'
      ? compileList(
          kind.value.matchers.map(({ predicate, onMatch }) => ({ holds: compilePredicate(predicate, place), decide: outcome(onMatch) })),
        )
      : kind.case === 'matcherTree'
        ? compileTree(kind.value, place, outcome)
        : () => undefined;
  return otherwise === undefined ? chosen : (subject) => chosen(subject) ?? otherwise(subject);
}

function compileList<A>(
  entries: readonly { readonly holds: (subject: MatchSubject) => boolean; readonly decide: MatcherTree<A> }[],
): MatcherTree<A> {
  return (subject) => {
    for (const { holds, decide } of entries) {
      if (!holds(subject)) continue;
      const found = decide(subject);
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

type Outcome<A> = (onMatch: OnMatch | undefined) => MatcherTree<A>;

function compileTree<A>({ input, treeType }: TreeProto, place: TreePlace, outcome: Outcome<A>): MatcherTree<A> {
  const data = compileDataInput(input, place);
  if (data.kind !== 'text') throw new XebecError('E_MATCHER', 'unsupported data input type for matcher_tree');
  const byText = (candidates: (value: string) => Iterable<MatcherTree<A>>): MatcherTree<A> => {
    return (subject) => {
      const value = data.read(subject);
      if (value === undefined) return undefined;
      for (const decide of candidates(value)) {
        const found = decide(subject);
        if (found !== undefined) return found;
      }
      return undefined;
    };
  };
  switch (treeType.case) {
    case 'exactMatchMap': {
      const map = new Map(Object.entries(treeType.value.map).map(([key, value]) => [key, outcome(value)]));
      return byText((value) => {
        const decide = map.get(value);
        return decide === undefined ? [] : [decide];
      });
    }
    case 'prefixMatchMap': {
      const entries = Object.entries(treeType.value.map)
        .map(([prefix, value]) => ({ prefix, decide: outcome(value) }))
        .sort((a, b) => b.prefix.length - a.prefix.length);
      return byText(function* (value) {
        for (const { prefix, decide } of entries) if (value.startsWith(prefix)) yield decide;
      });
    }
    case 'customMatch':
      return byText(compileCustomTree(treeType.value, outcome));
    default:
      throw new XebecError('E_MATCHER', 'matcher_tree has no map; set exact_match_map, prefix_match_map or custom_match');
  }
}

function compileCustomTree<A>(config: TypedExtensionConfig, outcome: Outcome<A>): (value: string) => Iterable<MatcherTree<A>> {
  const any = config.typedConfig;
  const typeName = any?.typeUrl.slice(any.typeUrl.lastIndexOf('/') + 1);
  if (any !== undefined && typeName === IPMatcherSchema.typeName) {
    const ranges = fromBinary(IPMatcherSchema, any.value).rangeMatchers.flatMap(({ ranges: list, onMatch, exclusive }) => {
      const decide = outcome(onMatch);
      return list.map((range) => ({
        contains: compileCidr({ addressPrefix: range.addressPrefix, prefixLen: range.prefixLen ?? 0 }),
        length: range.prefixLen ?? 0,
        exclusive,
        decide,
      }));
    });
    // The sort is stable: ranges of one length stay as they were declared.
    ranges.sort((a, b) => b.length - a.length);
    return function* (address) {
      let first = true;
      for (const { contains, exclusive, decide } of ranges) {
        if (!contains(address)) continue;
        // An exclusive range counts only where nothing is closer.
        if (first || !exclusive) yield decide;
        first = false;
      }
    };
  }
  if (any !== undefined && typeName === ServerNameMatcherSchema.typeName)
    return domainMatcher(fromBinary(ServerNameMatcherSchema, any.value), outcome);
  throw new XebecError('E_MATCHER', `custom matcher tree "${typeName ?? config.name}" is not supported`);
}

function domainMatcher<A>(
  {
    domainMatchers,
  }: { readonly domainMatchers: readonly { readonly domains: readonly string[]; readonly onMatch?: OnMatch | undefined }[] },
  outcome: Outcome<A>,
): (value: string) => Iterable<MatcherTree<A>> {
  const exact = new Map<string, MatcherTree<A>>();
  /** By what follows the `*`: `.example.com`, or nothing for `*`. */
  const wildcards = new Map<string, MatcherTree<A>>();
  for (const { domains, onMatch } of domainMatchers) {
    const decide = outcome(onMatch);
    for (const domain of domains) {
      const wild = domain === '*' || domain.startsWith('*.');
      const map = wild ? wildcards : exact;
      const key = wild ? domain.slice(1) : domain;
      if (map.has(key)) throw new XebecError('E_MATCHER', `duplicate domain "${domain}" in ServerNameMatcher`);
      if (key.includes('*')) throw new XebecError('E_MATCHER', `wildcards of a domain stand alone at its start, not as in "${domain}"`);
      map.set(key, decide);
    }
  }
  return function* (name) {
    const whole = exact.get(name);
    if (whole !== undefined) yield whole;
    for (let dot = name.indexOf('.', 1); dot !== -1; dot = name.indexOf('.', dot + 1)) {
      const decide = wildcards.get(name.slice(dot));
      if (decide !== undefined) yield decide;
    }
    const any = wildcards.get('');
    if (any !== undefined) yield any;
  };
}
