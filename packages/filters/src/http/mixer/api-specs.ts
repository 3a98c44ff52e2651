import { XebecError } from '@xebec/core';
import { compileRegex } from '@xebec/matching';
import type { Attributes } from '@xebec/protos/istio/mixer/v1/attributes';
import type { ApiPattern, ApiSpec } from '@xebec/protos/xebec/filters/http/mixer/v1/mixer';
import type { RequestHead } from '@xebec/wire';
import type { ApiKeyPlace } from './call.ts';

/** What APIs say of requests (kind HTTPAPISpec). */
export interface ApiSpecs {
  /** Attributes of a request; undefined when it is none of these APIs. */
  attributesOf(request: RequestHead): ReadonlyMap<string, string> | undefined;
  /** Where a key is looked for, in order. */
  readonly keys: readonly ApiKeyPlace[];
}

const defaultKeys: readonly ApiKeyPlace[] = [
  { place: 'query', name: 'key' },
  { place: 'query', name: 'api_key' },
  { place: 'header', name: 'x-api-key' },
];

/** Throws XebecError `E_FILTER_CONFIG`, `E_REGEX` for what cannot be matched. */
export function compileApiSpecs(specs: readonly ApiSpec[]): ApiSpecs {
  const keys = specs.flatMap(({ apiKeys }) =>
    apiKeys.flatMap(({ key }): ApiKeyPlace[] =>
      key.case === undefined ? [] : [{ place: key.case, name: key.case === 'header' ? key.value.toLowerCase() : key.value }],
    ),
  );
  const apis = specs.map(({ attributes, patterns }) => ({
    attributes: textAttributes(attributes),
    patterns: patterns.map((pattern) => ({ matches: compilePattern(pattern), attributes: textAttributes(pattern.attributes) })),
  }));
  return {
    keys: keys.length === 0 ? defaultKeys : keys,
    attributesOf(request) {
      let found: Map<string, string> | undefined;
      for (const { attributes, patterns } of apis) {
        for (const pattern of patterns) {
          if (!pattern.matches(request)) continue;
          found ??= new Map();
          for (const [name, value] of [...attributes, ...pattern.attributes]) found.set(name, value);
          break;
        }
      }
      return found;
    },
  };
}

function textAttributes(attributes: Attributes | undefined): readonly (readonly [string, string])[] {
  return Object.entries(attributes?.attributes ?? {}).flatMap(([name, { value }]) =>
    value.case === 'stringValue' ? [[name, value.value] as const] : [],
  );
}

function compilePattern({ httpMethod, pattern }: ApiPattern): (request: RequestHead) => boolean {
  const ofMethod = (method: string) => httpMethod === '' || httpMethod.toUpperCase() === method;
  switch (pattern.case) {
    case 'uriTemplate': {
      const path = compileRegex(templateExpression(pattern.value));
      return (request) => ofMethod(request.method) && path.matches(request.path.split('?', 1)[0] ?? '');
    }
    case 'regex': {
      const path = compileRegex(pattern.value);
      return (request) => ofMethod(request.method) && path.matches(request.path);
    }
    default:
      return ({ method }) => ofMethod(method);
  }
}

/** An expression for the paths of a URI template (RFC 6570): `{name}` one segment or a part of it, `{+name}` and `{name*}` more. */
function templateExpression(template: string): string {
  let expression = '';
  for (const part of template.split(/(\{[^}]*\})/)) {
    if (!part.startsWith('{')) {
      if (/[{}]/.test(part)) throw new XebecError('E_FILTER_CONFIG', `uri_template "${template}" has an unclosed "{"`);
      expression += part.replaceAll(/[.*+?^$()[\]|\\]/g, String.raw`\$&`);
      continue;
    }
    const variable = part.slice(1, -1);
    // Queries are no part of the path that is matched.
    if (/^[?&#]/.test(variable)) continue;
    if (variable.startsWith('+') || variable.endsWith('*')) expression += '.+';
    else expression += variable.startsWith('/') ? '(/[^/]+)+' : '[^/]+';
  }
  return expression;
}
