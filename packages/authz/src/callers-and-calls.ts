import { fromBinary } from '@bufbuild/protobuf';
import type { Permission, Principal, RBAC } from '@xebec/protos/envoy/config/rbac/v3/rbac';
import { UriTemplateMatchConfigSchema } from '@xebec/protos/envoy/extensions/path/match/uri_template/v3/uri_template_match';
import type { StringMatcher } from '@xebec/protos/envoy/type/matcher/v3/string';
import type { Guard } from './guards.ts';

/** Somebody whom rules speak of, with an identity that stands for all like it. */
export interface CallerSample {
  readonly label: string;
  /** Undefined: without mTLS. */
  readonly principal: string | undefined;
  /** Of the token that comes with the call. */
  readonly claims?: Readonly<Record<string, unknown>>;
}

/** What rules speak of, in what a request says, with a value that stands for all like it. */
export interface ValueSample {
  readonly label: string;
  readonly value: string;
}

/** The callers, methods and paths that the rules of a guard tell apart, and one of each that none of them names. */
export interface Distinctions {
  readonly callers: readonly CallerSample[];
  readonly methods: readonly string[];
  readonly paths: readonly ValueSample[];
}

/** More are not asked about, so that a matrix stays one. */
const MOST = 24;
const SPIFFE = 'spiffe://';
const SOMEBODY = `${SPIFFE}cluster.local/ns/elsewhere/sa/somebody-else`;

export function distinctions({ steps }: Guard): Distinctions {
  const callers = new Map<string, CallerSample>();
  const methods = new Set<string>();
  const paths = new Map<string, ValueSample>();
  const permission = ({ rule }: Permission): void => {
    if (rule.case === 'andRules' || rule.case === 'orRules') rule.value.rules.forEach(permission);
    else if (rule.case === 'notRule') permission(rule.value);
    else if (rule.case === 'urlPath' && rule.value.rule.case === 'path') addTo(paths, sampleOf(rule.value.rule.value, '/'));
    else if (rule.case === 'uriTemplate' && rule.value.typedConfig !== undefined) {
      const { pathTemplate } = fromBinary(UriTemplateMatchConfigSchema, rule.value.typedConfig.value);
      addTo(paths, { label: pathTemplate, value: pathTemplate.replaceAll(/\*\*/g, 'x/y').replaceAll('*', 'x') });
    } else if (rule.case === 'header' && rule.value.name === ':method' && rule.value.headerMatchSpecifier.case === 'stringMatch') {
      const { matchPattern } = rule.value.headerMatchSpecifier.value;
      if (matchPattern.case === 'exact') methods.add(matchPattern.value);
    }
  };
  const principal = ({ identifier }: Principal): void => {
    const claims = identifier.case === 'andIds' ? claimsOf(identifier.value.ids) : undefined;
    if (claims !== undefined && callers.size < MOST) {
      const label = `token of ${claims.iss}/${claims.sub}`;
      callers.set(label, { label, principal: SOMEBODY, claims });
    }
    if (identifier.case === 'andIds' || identifier.case === 'orIds') identifier.value.ids.forEach(principal);
    else if (identifier.case === 'notId') principal(identifier.value);
    else if (identifier.case === 'authenticated' && identifier.value.principalName !== undefined) {
      const caller = callerOf(identifier.value.principalName);
      if (caller !== undefined && callers.size < MOST) callers.set(caller.label, caller);
    }
  };
  const visit = (rules: RBAC | undefined): void => {
    for (const policy of Object.values(rules?.policies ?? {})) {
      policy.permissions.forEach(permission);
      policy.principals.forEach(principal);
    }
  };
  for (const step of steps) {
    if (step.kind !== 'rules') continue;
    visit(step.rules);
    visit(step.shadow);
  }
  const other = ['/', '/other', '/any-other-path'].find((value) => !paths.has(value)) ?? '/any-other-path';
  return {
    callers: [
      ...[...callers.values()].sort((a, b) => (a.label < b.label ? -1 : 1)),
      { label: '(any other identity)', principal: SOMEBODY },
      { label: '(plain text)', principal: undefined },
    ],
    methods: methods.size === 0 ? ['GET'] : [...methods].sort(),
    paths: [...[...paths.values()].sort((a, b) => (a.label < b.label ? -1 : 1)), { label: '(any other path)', value: other }],
  };
}

/** Issuer and subject, where a rule asks for both of a token: with `any`, where it asks for one at all. */
function claimsOf(ids: readonly Principal[]): { readonly iss: string; readonly sub: string } | undefined {
  const found = new Map<string, string>();
  for (const { identifier } of ids) {
    if (identifier.case !== 'metadata' || identifier.value.filter !== 'envoy.filters.http.jwt_authn') continue;
    const key = identifier.value.path.map(({ segment }) => segment.value ?? '').join('.');
    const pattern = identifier.value.value?.matchPattern;
    if (pattern?.case === 'stringMatch') found.set(key, sampleOf(pattern.value, '')?.value ?? 'any');
  }
  const [iss, sub] = [found.get('payload.iss'), found.get('payload.sub')];
  return iss === undefined || sub === undefined ? undefined : { iss, sub };
}

function addTo(samples: Map<string, ValueSample>, sample: ValueSample | undefined): void {
  if (sample !== undefined && samples.size < MOST) samples.set(sample.label, sample);
}

function sampleOf({ matchPattern }: StringMatcher, begin: string): ValueSample | undefined {
  switch (matchPattern.case) {
    case 'exact':
      return { label: matchPattern.value, value: matchPattern.value };
    case 'prefix':
      return { label: `${matchPattern.value}*`, value: `${matchPattern.value}x` };
    case 'suffix':
      return { label: `*${matchPattern.value}`, value: `${begin}x${matchPattern.value}` };
    default:
      return undefined;
  }
}

/** The regular expressions that Istio writes for namespaces and service accounts are read back; others stand for nobody in particular. */
function callerOf(matcher: StringMatcher): CallerSample | undefined {
  const { matchPattern } = matcher;
  if (matchPattern.case === 'safeRegex') {
    const text = matchPattern.value.regex.replaceAll('\\', '');
    const account = /^spiffe:\/\/\.\+\/ns\/(.+?)\/\(\.\+\/\|\)sa\/(.+?)\(\/\.\+\)\?$/.exec(text);
    if (account !== null)
      return {
        label: `service account ${account[1]}/${account[2]}`,
        principal: `${SPIFFE}cluster.local/ns/${account[1]}/sa/${account[2]}`,
      };
    const namespace = /^\.\*\/ns\/(.+)\/\.\*$/.exec(text)?.[1];
    if (namespace === undefined) return undefined;
    const shown = namespace.replaceAll('.*', '*');
    return { label: `namespace ${shown}`, principal: `${SPIFFE}cluster.local/ns/${shown.replaceAll('*', 'x')}/sa/any` };
  }
  const sample = sampleOf(matcher, `${SPIFFE}cluster.local/ns/any/sa/`);
  return sample === undefined ? undefined : { label: sample.label.replace(SPIFFE, ''), principal: sample.value };
}
