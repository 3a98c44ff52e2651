import type { PrincipalSchema } from '@xebec/protos/envoy/config/rbac/v3/rbac';
import type { MetadataMatcherSchema } from '@xebec/protos/envoy/type/matcher/v3/metadata';
import type { AuthorizationCondition, AuthorizationSource } from '@xebec/schemas';
import { cidrRange } from '../envoy/address.ts';
import type { Fields } from '../envoy/any.ts';
import { insideRegex, textMatcher } from './text-match.ts';

export type Principal = Fields<typeof PrincipalSchema>;
type MetadataMatcher = Fields<typeof MetadataMatcherSchema>;

/** What translation of a source needs to know of the mesh and of the policy. */
export interface PrincipalView {
  readonly trustDomains: readonly string[];
  readonly policyNamespace: string;
}

/** One attribute of callers: how its values match, and whether only HTTP can tell. */
interface Attribute {
  readonly http: boolean;
  readonly values: readonly string[] | undefined;
  readonly notValues: readonly string[] | undefined;
  match(value: string, view: PrincipalView): Principal[];
}

/**
 * The caller that a source describes together with the caller-side conditions of the rule: all of them must hold.
 * `undefined` when the rule cannot be told on TCP and must be dropped.
 */
export function principalOf(
  source: AuthorizationSource,
  conditions: readonly AuthorizationCondition[],
  view: PrincipalView,
  forTcp: 'http' | 'drop' | 'broaden',
): Principal | undefined {
  const attributes = [...sourceAttributes(source), ...conditions.flatMap((condition) => conditionAttribute(condition) ?? [])];
  const ids: Principal[] = [];
  for (const attribute of attributes) {
    if (isEmpty(attribute)) continue;
    if (attribute.http && forTcp === 'drop') return undefined;
    if (attribute.http && forTcp === 'broaden') continue;
    if (attribute.values !== undefined && attribute.values.length > 0)
      ids.push(or(attribute.values.flatMap((value) => attribute.match(value, view))));
    if (attribute.notValues !== undefined && attribute.notValues.length > 0)
      ids.push({ identifier: { case: 'notId', value: or(attribute.notValues.flatMap((value) => attribute.match(value, view))) } });
  }
  if (ids.length === 0) ids.push({ identifier: { case: 'any', value: true } });
  return { identifier: { case: 'andIds', value: { ids } } };
}

/** Whether a condition speaks of the caller or the request, and not of the destination. */
export function isPrincipalCondition(key: string): boolean {
  return conditionAttribute({ key }) !== undefined;
}

function isEmpty(attribute: Attribute): boolean {
  return (attribute.values?.length ?? 0) === 0 && (attribute.notValues?.length ?? 0) === 0;
}

function or(ids: Principal[]): Principal {
  return { identifier: { case: 'orIds', value: { ids } } };
}

function sourceAttributes(source: AuthorizationSource): Attribute[] {
  return [
    { http: false, values: source.principals, notValues: source.notPrincipals, match: peer },
    { http: true, values: source.requestPrincipals, notValues: source.notRequestPrincipals, match: requestPrincipal },
    { http: false, values: source.namespaces, notValues: source.notNamespaces, match: namespace },
    { http: false, values: source.serviceAccounts, notValues: source.notServiceAccounts, match: serviceAccount },
    { http: false, values: source.trustDomains, notValues: source.notTrustDomains, match: trustDomain },
    { http: false, values: source.ipBlocks, notValues: source.notIpBlocks, match: directIp },
    { http: false, values: source.remoteIpBlocks, notValues: source.notRemoteIpBlocks, match: remoteIp },
  ];
}

function conditionAttribute(condition: AuthorizationCondition): Attribute | undefined {
  const { key, values, notValues } = condition;
  const make = (http: boolean, match: Attribute['match']): Attribute => ({ http, values, notValues, match });
  switch (key) {
    case 'source.ip':
      return make(false, directIp);
    case 'remote.ip':
      return make(false, remoteIp);
    case 'source.namespace':
      return make(false, namespace);
    case 'source.principal':
      return make(false, peer);
    case 'source.serviceAccount':
      return make(false, serviceAccount);
    case 'source.trustDomain':
      return make(false, trustDomain);
    case 'request.auth.principal':
      return make(true, requestPrincipal);
    case 'request.auth.audiences':
      return make(true, (value) => [claim(['aud'], value)]);
    case 'request.auth.presenter':
      return make(true, (value) => [claim(['azp'], value)]);
  }
  const inBrackets = [...key.matchAll(/\[([^\]]*)\]/g)].map((found) => found[1] ?? '');
  const [first] = inBrackets;
  if (key.startsWith('request.headers[') && first !== undefined) return make(true, (value) => [header(first, value)]);
  if (key.startsWith('request.auth.claims[')) return make(true, (value) => [claim(inBrackets, value)]);
  return undefined;
}

function authenticated(matcher: ReturnType<typeof textMatcher>): Principal {
  return { identifier: { case: 'authenticated', value: { principalName: matcher } } };
}

function authenticatedRegex(regex: string): Principal {
  return authenticated({ matchPattern: { case: 'safeRegex', value: { regex } } });
}

/** `trust-domain/ns/n/sa/s`; a domain that is one of the mesh's stands for all of them. */
function peer(value: string, view: PrincipalView): Principal[] {
  const slash = value.indexOf('/');
  const domain = slash < 0 ? '' : value.slice(0, slash);
  const names = view.trustDomains.includes(domain) ? view.trustDomains.map((known) => known + value.slice(slash)) : [value];
  return names.map((name) => authenticated(textMatcher(name, 'spiffe://')));
}

function namespace(value: string): Principal[] {
  return [authenticatedRegex(`.*/ns/${insideRegex(value)}/.*`)];
}

/** `namespace/name`, or a name in the policy's own namespace. */
function serviceAccount(value: string, view: PrincipalView): Principal[] {
  const [first = '', second] = value.split('/');
  const owner = second === undefined ? view.policyNamespace : first;
  return [authenticatedRegex(`.*/ns/${insideRegex(owner)}/sa/${insideRegex(second ?? first)}`)];
}

function trustDomain(value: string): Principal[] {
  return [authenticatedRegex(`spiffe://${insideRegex(value)}/.*`)];
}

function directIp(value: string): Principal[] {
  return [{ identifier: { case: 'directRemoteIp', value: cidrRange(value) } }];
}

function remoteIp(value: string): Principal[] {
  return [{ identifier: { case: 'remoteIp', value: cidrRange(value) } }];
}

function header(name: string, value: string): Principal {
  return {
    identifier: {
      case: 'header',
      value:
        value === '*'
          ? { name, headerMatchSpecifier: { case: 'presentMatch', value: true } }
          : { name, headerMatchSpecifier: { case: 'stringMatch', value: textMatcher(value) } },
    },
  };
}

/** `issuer/subject` of a validated token. The issuer may have slashes, the subject does not. */
function requestPrincipal(value: string): Principal[] {
  const slash = value.lastIndexOf('/');
  if (slash < 0) {
    if (value === '*') return [claim(['sub'], '*')];
    return [value.startsWith('*') ? claim(['sub'], value) : claim(['iss'], value)];
  }
  const ids = [claim(['iss'], value.slice(0, slash)), claim(['sub'], value.slice(slash + 1))];
  return [{ identifier: { case: 'andIds', value: { ids } } }];
}

/** A claim of the token that jwt_authn left in metadata: one value, or a list that holds it. */
function claim(path: readonly string[], value: string): Principal {
  const matcher = { matchPattern: { case: 'stringMatch' as const, value: textMatcher(value) } };
  const metadata: MetadataMatcher = {
    filter: 'envoy.filters.http.jwt_authn',
    path: ['payload', ...path].map((key) => ({ segment: { case: 'key' as const, value: key } })),
    value: {
      matchPattern: {
        case: 'orMatch',
        value: {
          valueMatchers: [matcher, { matchPattern: { case: 'listMatch', value: { matchPattern: { case: 'oneOf', value: matcher } } } }],
        },
      },
    },
  };
  return { identifier: { case: 'metadata', value: metadata } };
}
