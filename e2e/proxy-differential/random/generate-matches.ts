import { type } from '../harness/configuration.ts';
import type { Json } from '../harness/family.ts';
import type { Draw } from './draw.ts';
import { configuredPaths, headerNames, headerValues, metadataNamespace, regexes, templates } from './vocabulary.ts';

/** A StringMatcher. */
export function stringMatcher(draw: Draw, values: readonly string[] = headerValues): Json {
  const value = draw.pick(values);
  const filled = value === '' ? 'v' : value;
  return draw.pick<() => Json>([
    () => ({ exact: value, ...draw.maybe(0.3, () => ({ ignore_case: true })) }),
    () => ({ prefix: filled, ...draw.maybe(0.3, () => ({ ignore_case: true })) }),
    () => ({ suffix: filled, ...draw.maybe(0.3, () => ({ ignore_case: true })) }),
    () => ({ contains: filled, ...draw.maybe(0.3, () => ({ ignore_case: true })) }),
    () => ({ safe_regex: { regex: draw.pick(['v.*', '[a-z]*', '\\d+', '.*', '(?i)V', 'a|v', '[^,]+', '-?\\d+']) } }),
  ])();
}

/** A HeaderMatcher of any kind. */
export function headerMatcher(draw: Draw): Json {
  const special = draw.chance(0.2);
  const name = special
    ? draw.pick([':method', ':authority', ':path', ':scheme', 'host', 'content-type', 'x-forwarded-proto', 'X-A'])
    : draw.pick(headerNames);
  const values = special ? ['GET', 'POST', 'app.example', '/a', '/', 'http', 'application/grpc', 'value'] : headerValues;
  return {
    name,
    ...draw.pick<() => Json>([
      () => ({ string_match: stringMatcher(draw, values) }),
      () => ({ string_match: stringMatcher(draw, values) }),
      () => ({ present_match: draw.chance(0.6) }),
      () => ({ range_match: { start: draw.pick(['-5', '0', '1']), end: draw.pick(['5', '6', '10']) } }),
      () => ({}),
    ])(),
    ...draw.maybe(0.2, () => ({ invert_match: true })),
    ...draw.maybe(0.2, () => ({ treat_missing_header_as_empty: true })),
  };
}

function queryMatcher(draw: Draw): Json {
  return {
    name: draw.pick(['q', 'p']),
    ...draw.pick<() => Json>([
      () => ({ string_match: stringMatcher(draw, ['v', '1', 'a b', '', 'a+b']) }),
      () => ({ present_match: draw.chance(0.7) }),
      () => ({}),
    ])(),
  };
}

export function pathTemplate(pattern: string): Json {
  return {
    name: 'envoy.path.match.uri_template.uri_template_matcher',
    typed_config: { '@type': type('envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig'), path_template: pattern },
  };
}

function metadataMatcher(draw: Draw): Json {
  return {
    filter: metadataNamespace,
    path: [{ key: draw.pick(['who', 'level', 'none']) }],
    value: draw.pick<() => Json>([
      () => ({ string_match: stringMatcher(draw) }),
      () => ({ present_match: draw.chance(0.7) }),
      () => ({ double_match: { range: { start: 0, end: 6 } } }),
      () => ({ double_match: { exact: 5 } }),
      () => ({ null_match: {} }),
      () => ({ bool_match: true }),
    ])(),
    ...draw.maybe(0.3, () => ({ invert: true })),
  };
}

/** A RouteMatch. `template` tells the action whether a rewrite by template is possible. */
export function routeMatch(draw: Draw): Json {
  const path = draw.pick<() => Json>([
    () => ({ prefix: draw.pick(configuredPaths) }),
    () => ({ prefix: draw.pick(['/', '/a', '/v1']) }),
    () => ({ path: draw.pick(configuredPaths) }),
    () => ({ safe_regex: { regex: draw.pick(regexes) } }),
    () => ({ path_separated_prefix: draw.pick(['/a', '/a/b', '/A', '/v1', '/a%2Fb']) }),
    () => ({ path_match_policy: pathTemplate(draw.pick(templates)) }),
  ])();
  return {
    ...path,
    ...draw.maybe(0.15, () => ({ case_sensitive: false })),
    ...draw.maybe(0.3, () => ({ headers: draw.many(1, 2, () => headerMatcher(draw)) })),
    ...draw.maybe(0.2, () => ({ query_parameters: draw.many(1, 2, () => queryMatcher(draw)) })),
    ...draw.maybe(0.06, () => ({ grpc: {} })),
    ...draw.maybe(0.08, () => ({
      runtime_fraction: {
        default_value: { numerator: draw.pick([0, 100]), ...draw.maybe(0.3, () => ({ denominator: 'HUNDRED' })) },
        runtime_key: draw.pick(['routes.on', 'routes.off', 'routes.none']),
      },
    })),
    ...draw.maybe(0.03, () => ({
      tls_context: { presented: draw.chance(0.3), ...draw.maybe(0.5, () => ({ validated: draw.chance(0.3) })) },
    })),
    ...draw.maybe(0.1, () => ({ dynamic_metadata: draw.many(1, 2, () => metadataMatcher(draw)) })),
  };
}
