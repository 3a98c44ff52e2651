import type { PrincipalSchema } from '@xebec/protos/envoy/config/rbac/v3/rbac';
import type { MetadataMatcherSchema } from '@xebec/protos/envoy/type/matcher/v3/metadata';
import type { ValueMatcherSchema } from '@xebec/protos/envoy/type/matcher/v3/value';
import type { AuthorizationCondition, AuthorizationSource } from '@xebec/schemas';
import type { Fields } from '../envoy/any.ts';
import { type Attribute, allOf, eachValue } from './attribute.ts';
import type { RuleView } from './rules.ts';
import { ANY_TEXT, addressBlock, headerMatch, quote, regexMatcher, type StringMatcher, textMatcher } from './text-match.ts';
import { expandTrustDomains, migratePrincipals } from './trust-domain.ts';

export type Principal = Fields<typeof PrincipalSchema>;
type MetadataMatcher = Fields<typeof MetadataMatcherSchema>;
type ValueMatcher = Fields<typeof ValueMatcherSchema>;
type Lists = Pick<AuthorizationCondition, 'values' | 'notValues'>;

/**
 * The caller that a source describes together with the caller-side conditions of the rule: all of them must hold.
 * `undefined` when the rule must go.
 */
export function principalOf(
  source: AuthorizationSource,
  conditions: readonly AuthorizationCondition[],
  view: RuleView,
  policyNamespace: string,
): Principal | undefined {
  const make = maker(view, policyNamespace);
  const attributes = [
    make('source.principal', { values: source.principals, notValues: source.notPrincipals }),
    make('request.auth.principal', { values: source.requestPrincipals, notValues: source.notRequestPrincipals }),
    make('source.serviceAccount', { values: source.serviceAccounts, notValues: source.notServiceAccounts }),
    make('source.trustDomain', { values: source.trustDomains, notValues: source.notTrustDomains }),
    make('source.namespace', { values: source.namespaces, notValues: source.notNamespaces }),
    make('remote.ip', { values: source.remoteIpBlocks, notValues: source.notRemoteIpBlocks }),
    make('source.ip', { values: source.ipBlocks, notValues: source.notIpBlocks }),
    ...conditions.map((condition) => make(condition.key, condition)),
  ].filter((attribute) => attribute !== undefined);
  const ids = allOf(attributes, not, view.untellable);
  if (ids === undefined) return undefined;
  return { identifier: { case: 'andIds', value: { ids: ids.length === 0 ? [{ identifier: { case: 'any', value: true } }] : ids } } };
}

const CALLER_KEYS: ReadonlySet<string> = new Set([
  'source.ip',
  'remote.ip',
  'source.namespace',
  'source.principal',
  'source.serviceAccount',
  'source.trustDomain',
  'request.auth.principal',
  'request.auth.audiences',
  'request.auth.presenter',
]);

/** Whether a condition speaks of the caller or the request, and not of the destination. */
export function isPrincipalCondition(key: string): boolean {
  return CALLER_KEYS.has(key) || key.startsWith('request.headers') || key.startsWith('request.auth.claims');
}

function maker(view: RuleView, policyNamespace: string) {
  const { untellable, tcp, trustDomains } = view;
  const lists = ({ values, notValues }: Lists, change: (values: readonly string[]) => readonly string[] = (given) => given) => ({
    values: change(values ?? []),
    notValues: change(notValues ?? []),
  });
  const each = (
    given: Lists,
    match: (value: string) => Principal | undefined,
    change?: (values: readonly string[]) => readonly string[],
  ) => ({
    ...lists(given, change),
    match: eachValue(match, or, untellable),
  });
  // Tokens and headers are HTTP's.
  const http = (given: Lists, match: (values: readonly string[]) => Principal | undefined): Attribute<Principal> => ({
    ...lists(given),
    match: tcp ? () => undefined : match,
  });
  return (key: string, given: Lists): Attribute<Principal> | undefined => {
    switch (key) {
      case 'source.ip':
        return each(given, (value) => block('directRemoteIp', value));
      case 'remote.ip':
        return each(given, (value) => block('remoteIp', value));
      case 'source.namespace':
        return each(given, namespace);
      case 'source.principal':
        return each(
          given,
          (value) => authenticated(textMatcher(value, 'spiffe://')),
          (values) => migratePrincipals(values, trustDomains),
        );
      case 'source.serviceAccount':
        return each(given, (value) => serviceAccount(value, policyNamespace));
      case 'source.trustDomain':
        return each(given, trustDomain, (values) => expandTrustDomains(values, trustDomains));
      case 'request.auth.principal':
        return http(given, requestPrincipals);
      case 'request.auth.audiences':
        return http(given, (values) => claim(['aud'], values));
      case 'request.auth.presenter':
        return http(given, (values) => claim(['azp'], values));
    }
    if (key.startsWith('request.headers')) {
      const name = /^\[(.*)\]$/.exec(key.slice('request.headers'.length))?.[1];
      return http(
        given,
        eachValue((value) => (name === undefined ? undefined : header(name, value)), or, untellable),
      );
    }
    if (key.startsWith('request.auth.claims')) {
      const path = claimPath(key.slice('request.auth.claims'.length));
      return http(given, (values) => (path === undefined ? undefined : claim(path, values)));
    }
    return undefined;
  };
}

function or(ids: Principal[]): Principal {
  return { identifier: { case: 'orIds', value: { ids } } };
}

function not(id: Principal): Principal {
  return { identifier: { case: 'notId', value: id } };
}

function authenticated(matcher: StringMatcher): Principal {
  return { identifier: { case: 'authenticated', value: { principalName: matcher } } };
}

function namespace(value: string): Principal {
  return authenticated(regexMatcher(`.*/ns/${value.split('*').map(quote).join('.*')}/.*`));
}

/** `namespace/name`, or a name in the policy's own namespace. More parts of an identity may stand between and behind. */
function serviceAccount(value: string, policyNamespace: string): Principal {
  const slash = value.indexOf('/');
  const owner = slash < 0 ? policyNamespace : value.slice(0, slash);
  return authenticated(regexMatcher(`spiffe://.+/ns/${quote(owner)}/(.+/|)sa/${quote(value.slice(slash + 1))}(/.+)?`));
}

function trustDomain(value: string): Principal {
  if (value === '*') return authenticated({ matchPattern: { case: 'prefix', value: 'spiffe://' } });
  const star = value.indexOf('*');
  if (star < 0) return authenticated({ matchPattern: { case: 'prefix', value: `spiffe://${value}/` } });
  return authenticated(regexMatcher(`spiffe://${quote(value.slice(0, star))}[^/]*${quote(value.slice(star + 1))}/.*`));
}

function block(kind: 'directRemoteIp' | 'remoteIp', value: string): Principal | undefined {
  const range = addressBlock(value);
  return range === undefined ? undefined : { identifier: { case: kind, value: range } };
}

function header(name: string, value: string): Principal {
  return { identifier: { case: 'header', value: headerMatch(name, value, false) } };
}

/** `issuer/subject` of a validated token. The issuer may have slashes, the subject does not. */
function requestPrincipals(values: readonly string[]): Principal {
  const ids = values.map((value): Principal => {
    const { issuer, subject } = issuerAndSubject(value);
    const both = [claimMetadata(['iss'], stringValue(issuer)), claimMetadata(['sub'], stringValue(subject))];
    return { identifier: { case: 'andIds', value: { ids: both } } };
  });
  const [only] = ids;
  return ids.length === 1 && only !== undefined ? only : or(ids);
}

function issuerAndSubject(value: string): { issuer: StringMatcher; subject: StringMatcher } {
  if (value === '*') return { issuer: ANY_TEXT, subject: ANY_TEXT };
  const slash = value.lastIndexOf('/');
  const issuer = slash < 0 ? value : value.slice(0, slash);
  const subject = slash < 0 ? '' : value.slice(slash + 1);
  const exact = (text: string): StringMatcher => ({ matchPattern: { case: 'exact', value: text } });
  if (value.startsWith('*'))
    return slash < 0 ? { issuer: ANY_TEXT, subject: textMatcher(value) } : { issuer: textMatcher(issuer), subject: exact(subject) };
  if (value.endsWith('*'))
    return slash < 0 ? { issuer: textMatcher(value), subject: ANY_TEXT } : { issuer: exact(issuer), subject: textMatcher(subject) };
  return { issuer: exact(issuer), subject: exact(subject) };
}

/** `[a][b]` as the path a, b; one pair of brackets may hold others. */
function claimPath(text: string): string[] | undefined {
  if (/^(?:\[[^[\]]*\])+$/.test(text)) return [...text.matchAll(/\[([^[\]]*)\]/g)].map((found) => found[1] ?? '');
  const outer = /^\[(.*)\]$/.exec(text)?.[1];
  return outer === undefined ? undefined : [outer];
}

function stringValue(matcher: StringMatcher): ValueMatcher {
  return { matchPattern: { case: 'stringMatch', value: matcher } };
}

/** A claim of the token that jwt_authn left in metadata: one value, or a list that holds it. */
function claim(path: readonly string[], values: readonly string[]): Principal {
  const matchers = values.map((value) => stringValue(textMatcher(value)));
  const [only] = matchers;
  const value: ValueMatcher =
    matchers.length === 1 && only !== undefined ? only : { matchPattern: { case: 'orMatch', value: { valueMatchers: matchers } } };
  const inList: ValueMatcher = { matchPattern: { case: 'listMatch', value: { matchPattern: { case: 'oneOf', value } } } };
  return claimMetadata(path, { matchPattern: { case: 'orMatch', value: { valueMatchers: [inList, value] } } });
}

function claimMetadata(path: readonly string[], value: ValueMatcher): Principal {
  const metadata: MetadataMatcher = {
    filter: 'envoy.filters.http.jwt_authn',
    path: ['payload', ...path].map((key) => ({ segment: { case: 'key', value: key } })),
    value,
  };
  return { identifier: { case: 'metadata', value: metadata } };
}
