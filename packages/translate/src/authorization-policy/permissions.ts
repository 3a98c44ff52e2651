import type { PermissionSchema } from '@xebec/protos/envoy/config/rbac/v3/rbac';
import { UriTemplateMatchConfigSchema } from '@xebec/protos/envoy/extensions/path/match/uri_template/v3/uri_template_match';
import type { AuthorizationCondition, AuthorizationOperation } from '@xebec/schemas';
import { cidrRange } from '../envoy/address.ts';
import { type Fields, typedExtension } from '../envoy/any.ts';
import { textMatcher } from './text-match.ts';

export type Permission = Fields<typeof PermissionSchema>;

interface Attribute {
  readonly http: boolean;
  readonly values: readonly string[] | undefined;
  readonly notValues: readonly string[] | undefined;
  match(value: string): Permission;
}

/**
 * What an operation describes together with the destination-side conditions of the rule. `undefined` when it cannot be
 * told on TCP and must be dropped.
 */
export function permissionOf(
  operation: AuthorizationOperation,
  conditions: readonly AuthorizationCondition[],
  forTcp: 'http' | 'drop' | 'broaden',
): Permission | undefined {
  const attributes: Attribute[] = [
    { http: true, values: operation.hosts, notValues: operation.notHosts, match: (value) => header(':authority', value, true) },
    { http: true, values: operation.methods, notValues: operation.notMethods, match: (value) => header(':method', value, false) },
    { http: true, values: operation.paths, notValues: operation.notPaths, match: path },
    { http: false, values: operation.ports, notValues: operation.notPorts, match: port },
    ...conditions.flatMap((condition) => conditionAttribute(condition) ?? []),
  ];
  const rules: Permission[] = [];
  for (const { http, values, notValues, match } of attributes) {
    const some = values !== undefined && values.length > 0;
    const none = notValues !== undefined && notValues.length > 0;
    if (!some && !none) continue;
    if (http && forTcp === 'drop') return undefined;
    if (http && forTcp === 'broaden') continue;
    if (some) rules.push(or(values.map(match)));
    if (none) rules.push({ rule: { case: 'notRule', value: or(notValues.map(match)) } });
  }
  if (rules.length === 0) rules.push({ rule: { case: 'any', value: true } });
  return { rule: { case: 'andRules', value: { rules } } };
}

export function isPermissionCondition(key: string): boolean {
  return conditionAttribute({ key }) !== undefined;
}

function conditionAttribute(condition: AuthorizationCondition): Attribute | undefined {
  const { key, values, notValues } = condition;
  switch (key) {
    case 'destination.ip':
      return { http: false, values, notValues, match: (value) => ({ rule: { case: 'destinationIp', value: cidrRange(value) } }) };
    case 'destination.port':
      return { http: false, values, notValues, match: port };
    case 'connection.sni':
      return { http: false, values, notValues, match: (value) => ({ rule: { case: 'requestedServerName', value: textMatcher(value) } }) };
    default:
      return undefined;
  }
}

function or(rules: Permission[]): Permission {
  return { rule: { case: 'orRules', value: { rules } } };
}

function port(value: string): Permission {
  return { rule: { case: 'destinationPort', value: Number(value) } };
}

function header(name: string, value: string, ignoreCase: boolean): Permission {
  return {
    rule: {
      case: 'header',
      value:
        value === '*'
          ? { name, headerMatchSpecifier: { case: 'presentMatch', value: true } }
          : { name, headerMatchSpecifier: { case: 'stringMatch', value: textMatcher(value, '', ignoreCase) } },
    },
  };
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
