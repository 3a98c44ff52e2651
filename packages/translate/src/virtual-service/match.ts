import type {
  HeaderMatcherSchema,
  QueryParameterMatcherSchema,
  RouteMatchSchema,
} from '@xebec/protos/envoy/config/route/v3/route_components';
import type { MetadataMatcherSchema } from '@xebec/protos/envoy/type/matcher/v3/metadata';
import type { StringMatcherSchema } from '@xebec/protos/envoy/type/matcher/v3/string';
import type { HttpMatch, StringMatch } from '@xebec/schemas';
import type { Fields } from '../envoy/any.ts';

type RouteMatch = Fields<typeof RouteMatchSchema>;
type HeaderMatcher = Fields<typeof HeaderMatcherSchema>;
type QueryMatcher = Fields<typeof QueryParameterMatcherSchema>;
type MetadataMatcher = Fields<typeof MetadataMatcherSchema>;
type StringMatcher = Fields<typeof StringMatcherSchema>;

/** The match of one Envoy route; without a match, everything. `wholeSegments`: prefixes of paths end where a segment ends. */
export function routeMatch(match: HttpMatch | undefined, wholeSegments = false): RouteMatch {
  if (match === undefined) return { pathSpecifier: { case: 'prefix', value: '/' } };
  const headers: HeaderMatcher[] = [];
  const dynamicMetadata: MetadataMatcher[] = [];
  const add = (name: string, value: StringMatch, inverted: boolean) => {
    const claim = claimPath(name);
    if (claim === undefined) headers.push(headerMatcher(name, value, inverted));
    else dynamicMetadata.push(claimMatcher(claim, value, inverted));
  };
  const conditions = [
    ...sorted(match.headers).map(([name, value]) => ({ name, value, inverted: false })),
    ...sorted(match.withoutHeaders).map(([name, value]) => ({ name, value, inverted: true })),
  ];
  for (const { name, value, inverted } of conditions.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)))
    add(name, value, inverted);
  if (match.method !== undefined) headers.push(headerMatcher(':method', match.method, false));
  if (match.authority !== undefined) headers.push(headerMatcher(':authority', match.authority, false));
  if (match.scheme !== undefined) headers.push(headerMatcher(':scheme', match.scheme, false));
  return {
    ...pathFields(match, wholeSegments),
    headers,
    queryParameters: sorted(match.queryParams).map(([name, value]) => queryMatcher(name, value)),
    dynamicMetadata,
  };
}

/** Whether a route takes every request, so that what follows it can never be reached. */
export function isCatchAll(match: HttpMatch | undefined): boolean {
  if (match === undefined) return true;
  const uri = match.uri;
  const anyPath = uri === undefined || uri.prefix === '/' || uri.regex === '.*';
  const { headers, withoutHeaders, queryParams, method, authority, scheme } = match;
  const conditions = [headers, withoutHeaders, queryParams].some((group) => group !== undefined && Object.keys(group).length > 0);
  return anyPath && !conditions && method === undefined && authority === undefined && scheme === undefined;
}

/** The path as span names show it: `/static*`, `/login`, or the expression. */
export function operationPath(match: HttpMatch | undefined): string {
  const uri = match?.uri;
  if (uri?.exact !== undefined) return uri.exact;
  if (uri?.prefix !== undefined) return `${uri.prefix}*`;
  return uri?.regex ?? '/*';
}

function pathFields(match: HttpMatch, wholeSegments: boolean): RouteMatch {
  const { uri } = match;
  const caseSensitive = match.ignoreUriCase !== true;
  if (uri?.exact !== undefined) return { pathSpecifier: { case: 'path', value: uri.exact }, caseSensitive };
  if (uri?.prefix !== undefined && uri.prefix !== '/' && wholeSegments)
    return { pathSpecifier: { case: 'pathSeparatedPrefix', value: uri.prefix.replace(/\/$/, '') }, caseSensitive };
  if (uri?.prefix !== undefined) return { pathSpecifier: { case: 'prefix', value: uri.prefix }, caseSensitive };
  if (uri?.regex !== undefined) return { pathSpecifier: { case: 'safeRegex', value: { regex: uri.regex } }, caseSensitive };
  return { pathSpecifier: { case: 'prefix', value: '/' }, caseSensitive };
}

/** `undefined` where the thing need only be there. */
export function stringMatcher(match: StringMatch): StringMatcher | undefined {
  if (match.exact !== undefined) return { matchPattern: { case: 'exact', value: match.exact } };
  if (match.prefix !== undefined) return { matchPattern: { case: 'prefix', value: match.prefix } };
  if (match.regex !== undefined && match.regex !== '*') return { matchPattern: { case: 'safeRegex', value: { regex: match.regex } } };
  return undefined;
}

function headerMatcher(name: string, value: StringMatch, inverted: boolean): HeaderMatcher {
  const matcher = stringMatcher(value);
  if (matcher === undefined) return { name, headerMatchSpecifier: { case: 'presentMatch', value: true }, invertMatch: inverted };
  return {
    name,
    headerMatchSpecifier: { case: 'stringMatch', value: matcher },
    ...(inverted ? { invertMatch: true, treatMissingHeaderAsEmpty: true } : {}),
  };
}

function queryMatcher(name: string, value: StringMatch): QueryMatcher {
  const matcher = stringMatcher(value);
  return {
    name,
    queryParameterMatchSpecifier: matcher === undefined ? { case: 'presentMatch', value: true } : { case: 'stringMatch', value: matcher },
  };
}

/** `@request.auth.claims.a.b` and `@request.auth.claims[a][b]`: a claim of a validated token instead of a header. */
function claimPath(name: string): string[] | undefined {
  const prefix = '@request.auth.claims';
  if (!name.toLowerCase().startsWith(prefix)) return undefined;
  const rest = name.slice(prefix.length);
  if (rest.startsWith('[')) return [...rest.matchAll(/\[([^\]]+)\]/g)].map((found) => found[1] ?? '');
  return rest.startsWith('.') ? rest.slice(1).split('.') : undefined;
}

function claimMatcher(path: readonly string[], value: StringMatch, inverted: boolean): MetadataMatcher {
  const matcher = stringMatcher(value);
  const single =
    matcher === undefined
      ? { matchPattern: { case: 'presentMatch' as const, value: true } }
      : { matchPattern: { case: 'stringMatch' as const, value: matcher } };
  return {
    filter: 'envoy.filters.http.jwt_authn',
    path: ['payload', ...path].map((key) => ({ segment: { case: 'key' as const, value: key } })),
    value: {
      matchPattern: {
        case: 'orMatch',
        // A claim may be one value or a list of them.
        value: {
          valueMatchers: [{ matchPattern: { case: 'listMatch', value: { matchPattern: { case: 'oneOf', value: single } } } }, single],
        },
      },
    },
    invert: inverted,
  };
}

function sorted(map: Readonly<Record<string, StringMatch>> | undefined): [string, StringMatch][] {
  return Object.entries(map ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
}
