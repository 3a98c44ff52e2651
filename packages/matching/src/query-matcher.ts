import type { QueryParameterMatcher } from '@xebec/protos/envoy/config/route/v3/route_components';
import { compileStringMatcher, describeStringMatcher } from './string-matcher.ts';

/** The parameters of a path's query as they were sent (Envoy matches them undecoded); the first value of a repeated name counts. */
export function queryParameters(path: string): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  const start = path.indexOf('?');
  if (start === -1) return parameters;
  const hash = path.indexOf('#', start);
  for (const part of path.slice(start + 1, hash === -1 ? undefined : hash).split('&')) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const name = equals === -1 ? part : part.slice(0, equals);
    if (!parameters.has(name)) parameters.set(name, equals === -1 ? '' : part.slice(equals + 1));
  }
  return parameters;
}

/** Compiles `envoy.config.route.v3.QueryParameterMatcher`. */
export function compileQueryMatcher(matcher: QueryParameterMatcher): (parameters: ReadonlyMap<string, string>) => boolean {
  const { name } = matcher;
  const specifier = matcher.queryParameterMatchSpecifier;
  if (specifier.case === 'stringMatch') {
    const matches = compileStringMatcher(specifier.value);
    return (parameters) => {
      const value = parameters.get(name);
      return value !== undefined && matches(value);
    };
  }
  const wanted = specifier.case === undefined ? true : specifier.value;
  return (parameters) => parameters.has(name) === wanted;
}

export function describeQueryMatcher(matcher: QueryParameterMatcher): string {
  const specifier = matcher.queryParameterMatchSpecifier;
  return `query parameter ${matcher.name} ${specifier.case === 'stringMatch' ? describeStringMatcher(specifier.value) : 'present'}`;
}
