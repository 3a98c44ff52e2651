import { fromBinary } from '@bufbuild/protobuf';
import { XebecError } from '@xebec/core';
import type { RouteMatch } from '@xebec/protos/envoy/config/route/v3/route_components';
import { UriTemplateMatchConfigSchema } from '@xebec/protos/envoy/extensions/path/match/uri_template/v3/uri_template_match';
import type { StreamInfo } from '@xebec/telemetry';
import type { RequestHead } from '@xebec/wire';
import { currentFraction, type RuntimeFraction } from './fraction.ts';
import { requestCookie } from './hash-policy.ts';
import { compileHeaderMatcher, describeHeaderMatcher } from './header-matcher.ts';
import { compileMetadataMatcher } from './metadata-matcher.ts';
import { compilePathTemplate, type PathTemplate } from './path-template.ts';
import { compileQueryMatcher, describeQueryMatcher, queryParameters } from './query-matcher.ts';
import { compileRegex } from './regex.ts';
import { asciiLower, compileStringMatcher, describeStringMatcher } from './string-matcher.ts';

/** What a route decision may depend on besides the request. */
export interface MatchContext {
  readonly info: StreamInfo;
  /** In [0, 1), drawn once per request: runtime fractions and weighted clusters use it. */
  readonly random: number;
}

/** One condition of a match. All of a route's conditions must hold. */
export interface Predicate {
  readonly description: string;
  holds(request: RequestHead, path: string, context: MatchContext): boolean;
}

export interface CompiledMatch {
  readonly predicates: readonly Predicate[];
  /** How the path was matched: what a prefix rewrite replaces. */
  readonly matchedLength: (path: string) => number;
  readonly template: PathTemplate | undefined;
}

/** Compiles `envoy.config.route.v3.RouteMatch`, the path condition first. */
export function compileRouteMatch(match: RouteMatch, runtime?: RuntimeFraction): CompiledMatch {
  const path = compilePath(match);
  const predicates: Predicate[] = [path.predicate];
  for (const matcher of match.headers) {
    const holds = compileHeaderMatcher(matcher);
    predicates.push({ description: describeHeaderMatcher(matcher), holds });
  }
  for (const matcher of match.queryParameters) {
    const holds = compileQueryMatcher(matcher);
    predicates.push({ description: describeQueryMatcher(matcher), holds: (request) => holds(queryParameters(request.path)) });
  }
  for (const { name, stringMatch, invertMatch } of match.cookies) {
    if (stringMatch === undefined) throw new XebecError('E_MATCHER', `cookie matcher "${name}" has no string_match`);
    const matches = compileStringMatcher(stringMatch);
    predicates.push({
      description: `cookie ${name} ${describeStringMatcher(stringMatch)}`,
      holds: (request) => {
        const value = requestCookie(request.headers, name);
        // Unlike a header's, an inverted rule holds about a cookie that is not there.
        return (value !== undefined && matches(value)) !== invertMatch;
      },
    });
  }
  if (match.grpc !== undefined) predicates.push({ description: 'gRPC request', holds: isGrpcRequest });
  const tls = match.tlsContext;
  if (tls !== undefined) {
    predicates.push({
      description: 'client certificate',
      holds: (_, __, { info }) => {
        const presented = info.connection.tls?.peer !== undefined;
        // A peer certificate that did not validate never gets this far, so presented and validated are one.
        return (tls.presented ?? presented) === presented && (tls.validated ?? presented) === presented;
      },
    });
  }
  for (const matcher of match.dynamicMetadata) {
    const holds = compileMetadataMatcher(matcher);
    predicates.push({
      description: `dynamic metadata ${matcher.filter}`,
      holds: (_, __, { info }) => holds((filter) => info.dynamicMetadata.get(filter)),
    });
  }
  for (const matcher of match.filterState) {
    if (matcher.matcher.case !== 'stringMatch')
      throw new XebecError('E_MATCHER', `filter state matcher for "${matcher.key}" is not supported`);
    const matches = compileStringMatcher(matcher.matcher.value);
    predicates.push({
      description: `filter state ${matcher.key}`,
      holds: (_, __, { info }) => {
        const value = info.filterState.get(matcher.key);
        return value !== undefined && matches(String(value));
      },
    });
  }
  if (match.runtimeFraction !== undefined) {
    const share = currentFraction(match.runtimeFraction, runtime);
    predicates.push({
      get description() {
        return `runtime fraction ${share() * 100} %`;
      },
      holds: (_, __, { random }) => random < share(),
    });
  }
  return { predicates, matchedLength: path.matchedLength, template: path.template };
}

/** Content-type `application/grpc` or `application/grpc+…`. */
export function isGrpcRequest(request: { readonly headers: readonly string[] }): boolean {
  for (let i = 0; i < request.headers.length; i += 2) {
    if (request.headers[i] !== 'content-type') continue;
    const value = request.headers[i + 1] ?? '';
    return value.startsWith('application/grpc') && (value.length === 16 || value[16] === '+');
  }
  return false;
}

interface PathRule {
  readonly predicate: Predicate;
  readonly matchedLength: (path: string) => number;
  readonly template: PathTemplate | undefined;
}

function compilePath(match: RouteMatch): PathRule {
  const specifier = match.pathSpecifier;
  const caseSensitive = match.caseSensitive ?? true;
  const fold = caseSensitive ? (text: string) => text : asciiLower;
  const whole = (path: string) => path.length;
  // A CONNECT request has no path: only the connect matcher takes it.
  const rule = (
    description: string,
    holds: (path: string) => boolean,
    matchedLength: (path: string) => number,
    template?: PathTemplate,
  ): PathRule => ({
    predicate: {
      description: caseSensitive ? description : `${description} (any case)`,
      holds: (request, path) => request.path !== '' && holds(path),
    },
    matchedLength,
    template,
  });
  switch (specifier.case) {
    case 'prefix': {
      const prefix = fold(specifier.value);
      return rule(
        `path prefix "${specifier.value}"`,
        (path) => fold(path).startsWith(prefix),
        () => prefix.length,
      );
    }
    case 'path': {
      const exact = fold(specifier.value);
      return rule(`path "${specifier.value}"`, (path) => fold(path) === exact, whole);
    }
    case 'pathSeparatedPrefix': {
      const prefix = fold(specifier.value);
      return rule(
        `path prefix "${specifier.value}" up to a "/"`,
        (path) => fold(path).startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === '/'),
        () => prefix.length,
      );
    }
    case 'safeRegex': {
      const { matches } = compileRegex(specifier.value.regex);
      return rule(`path regex "${specifier.value.regex}"`, matches, whole);
    }
    case 'connectMatcher':
      return {
        predicate: { description: 'CONNECT', holds: (request) => request.method === 'CONNECT' && request.upgrade === undefined },
        matchedLength: () => 0,
        template: undefined,
      };
    case 'pathMatchPolicy': {
      const any = specifier.value.typedConfig;
      if (any === undefined || !any.typeUrl.endsWith('/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig')) {
        throw new XebecError('E_ROUTE', `path match policy "${specifier.value.name}" is not supported; use uri_template`);
      }
      const template = compilePathTemplate(fromBinary(UriTemplateMatchConfigSchema, any.value).pathTemplate);
      return rule(`path template "${template.source}"`, (path) => template.match(path) !== undefined, whole, template);
    }
    default:
      throw new XebecError('E_ROUTE', 'route match has no path specifier; set prefix, path, safe_regex or another');
  }
}
