import type { PermissionSchema } from '@xebec/protos/envoy/config/rbac/v3/rbac';
import { UriTemplateMatchConfigSchema } from '@xebec/protos/envoy/extensions/path/match/uri_template/v3/uri_template_match';
import type { ValueMatcherSchema } from '@xebec/protos/envoy/type/matcher/v3/value';
import type { AuthorizationCondition, AuthorizationOperation } from '@xebec/schemas';
import { type Fields, typedExtension } from '../envoy/any.ts';
import { type Attribute, allOf, eachValue } from './attribute.ts';
import type { RuleView } from './rules.ts';
import { addressBlock, headerMatch, textMatcher } from './text-match.ts';

export type Permission = Fields<typeof PermissionSchema>;
type ValueMatcher = Fields<typeof ValueMatcherSchema>;
type Lists = Pick<AuthorizationCondition, 'values' | 'notValues'>;

const METADATA = 'experimental.envoy.filters.';

/**
 * What an operation describes together with the destination-side conditions of the rule. `undefined` when the rule must go.
 */
export function permissionOf(
  operation: AuthorizationOperation,
  conditions: readonly AuthorizationCondition[],
  view: RuleView,
): Permission | undefined {
  const http = (match: (value: string) => Permission | undefined) => (view.tcp ? () => undefined : match);
  const each = ({ values, notValues }: Lists, match: (value: string) => Permission | undefined): Attribute<Permission> => ({
    values: values ?? [],
    notValues: notValues ?? [],
    match: eachValue(match, or, view.untellable),
  });
  const attributes = [
    each(
      { values: operation.hosts, notValues: operation.notHosts },
      http((value) => header(':authority', value, true)),
    ),
    each(
      { values: operation.methods, notValues: operation.notMethods },
      http((value) => header(':method', value, false)),
    ),
    each({ values: operation.paths, notValues: operation.notPaths }, http(path)),
    each({ values: operation.ports, notValues: operation.notPorts }, port),
    ...conditions.flatMap((condition): Attribute<Permission>[] => {
      switch (condition.key) {
        case 'destination.ip':
          return [each(condition, destinationIp)];
        case 'destination.port':
          return [each(condition, port)];
        case 'connection.sni':
          return [each(condition, serverName)];
        default:
          return condition.key.startsWith(METADATA) ? [metadata(condition)] : [];
      }
    }),
  ];
  const rules = allOf(attributes, not, view.untellable);
  if (rules === undefined) return undefined;
  return { rule: { case: 'andRules', value: { rules: rules.length === 0 ? [{ rule: { case: 'any', value: true } }] : rules } } };
}

export function isPermissionCondition(key: string): boolean {
  return key === 'destination.ip' || key === 'destination.port' || key === 'connection.sni' || key.startsWith(METADATA);
}

function not(rule: Permission): Permission {
  return { rule: { case: 'notRule', value: rule } };
}

function or(rules: Permission[]): Permission {
  return { rule: { case: 'orRules', value: { rules } } };
}

function port(value: string): Permission | undefined {
  const number = Number(value);
  return /^\d+$/.test(value) && number <= 65_535 ? { rule: { case: 'destinationPort', value: number } } : undefined;
}

function serverName(value: string): Permission {
  return { rule: { case: 'requestedServerName', value: textMatcher(value) } };
}

function destinationIp(value: string): Permission | undefined {
  const range = addressBlock(value);
  return range === undefined ? undefined : { rule: { case: 'destinationIp', value: range } };
}

function header(name: string, value: string, ignoreCase: boolean): Permission {
  return { rule: { case: 'header', value: headerMatch(name, value, ignoreCase) } };
}

/** A path without its query; `{*}` stands for one segment and `{**}` for any number. */
function path(value: string): Permission {
  if (value.includes('{*}') || value.includes('{**}')) {
    const pathTemplate = value.replaceAll('{**}', '**').replaceAll('{*}', '*');
    return {
      rule: { case: 'uriTemplate', value: typedExtension('uri-template', UriTemplateMatchConfigSchema, { pathTemplate }) },
    };
  }
  return { rule: { case: 'urlPath', value: { rule: { case: 'path', value: textMatcher(value) } } } };
}

/** `experimental.envoy.filters.<filter>[key]`: what a filter left in metadata; a value in brackets is looked for in a list. */
function metadata({ key, values, notValues }: AuthorizationCondition): Attribute<Permission> {
  const found = /^experimental\.([^[]+)\[(.*?)\]?$/.exec(key);
  const match = (given: readonly string[]): Permission | undefined => {
    const [, filter, name] = found ?? [];
    if (filter === undefined || name === undefined) return undefined;
    const matchers = given.map((value): ValueMatcher => {
      const listed = value.startsWith('[') && value.endsWith(']');
      const text: ValueMatcher = {
        matchPattern: { case: 'stringMatch', value: textMatcher(listed ? value.replaceAll(/^[[\]]+|[[\]]+$/g, '') : value) },
      };
      return listed ? { matchPattern: { case: 'listMatch', value: { matchPattern: { case: 'oneOf', value: text } } } } : text;
    });
    const [only] = matchers;
    const value: ValueMatcher =
      matchers.length === 1 && only !== undefined ? only : { matchPattern: { case: 'orMatch', value: { valueMatchers: matchers } } };
    return { rule: { case: 'metadata', value: { filter, path: [{ segment: { case: 'key', value: name } }], value } } };
  };
  return { values: values ?? [], notValues: notValues ?? [], match };
}
