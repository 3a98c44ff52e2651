export { type AddressPredicate, compileCidr, compileCidrs } from './cidr.ts';
export { type RouteTableOptions, rewriteHost } from './compile-route.ts';
export type {
  ClusterChoice,
  CompiledAction,
  CompiledRoute,
  CompiledVirtualHost,
  CompileFilterConfig,
  DirectResponse,
  ForwardAction,
  GrpcTimeoutRule,
  HostRewrite,
  MirrorPolicy,
  NonForwarding,
} from './compiled-route.ts';
export { durationMs, optionalDurationMs } from './duration.ts';
export { type ConnectionTraits, type FilterChainExplanation, FilterChainMatcher, type PassedOverChain } from './filter-chain-match.ts';
export { defaultRouteTimeoutMs } from './forward-action.ts';
export { currentFraction, fractionOf, type RuntimeFraction } from './fraction.ts';
export { type HashCookie, type HashPolicy, requestCookie } from './hash-policy.ts';
export {
  compileHeaderLookup,
  compileHeaderMatcher,
  describeHeaderMatcher,
  type HeaderLookup,
  type HeaderPredicate,
} from './header-matcher.ts';
export {
  applyHeader,
  combineMutations,
  compileHeaderMutation,
  type HeaderMutation,
  type HeaderMutationSource,
  type MutableHead,
} from './header-mutation.ts';
export type { MatchSubject } from './matcher-tree/data-input.ts';
export { compileMatcherTree, type MatcherTree } from './matcher-tree/matcher-tree.ts';
export { compileMetadataMatcher, compileValueMatcher, type MetadataLookup, type ValuePredicate } from './metadata-matcher.ts';
export type { PathRewrite } from './path-rewrite.ts';
export { compilePathTemplate, compilePathTemplateRewrite, type PathTemplate } from './path-template.ts';
export { compileQueryMatcher, queryParameters } from './query-matcher.ts';
export { explainRbac, type PolicyTrial } from './rbac/explain.ts';
export { type CompiledRbac, compileRbac, compileRbacMatcher, type RbacDecision } from './rbac/rbac.ts';
export type { CompiledRedirect } from './redirect.ts';
export { type CompiledRegex, compileRegex } from './regex.ts';
export { forwardedProto, pathOnly, requestHeader, requestHeaderValues } from './request-header.ts';
export { type CompiledMatch, compileRouteMatch, isGrpcRequest, type MatchContext } from './route-match.ts';
export { type CompiledRouteTable, compileRouteTable, type RouteExplanation, type RouteTrial } from './route-table.ts';
export { matchesPrincipal, matchesSan, type SanKind } from './san-matcher.ts';
export {
  asciiLower,
  compileStringMatcher,
  compileText,
  describeStringMatcher,
  type StringPredicate,
  type TextMatch,
} from './string-matcher.ts';
export { portStart, VirtualHostIndex } from './virtual-host-index.ts';
