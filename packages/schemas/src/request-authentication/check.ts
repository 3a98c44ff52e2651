import { durationMs } from '../fields.ts';
import { FindingList, type Findings } from '../findings.ts';
import type { ConfigObject } from '../object.ts';
import { checkDryRun, checkScope } from '../policy-scope.ts';
import { readKeySet } from './key-set.ts';
import type { JwtRule, RequestAuthenticationSpec } from './spec.ts';

type Path = readonly PropertyKey[];

const HEADER_NAME = /^[-_A-Za-z0-9]+$/;

/** Rules by which no token could be found, verified or passed on. */
export function checkRequestAuthentication({ metadata, spec }: ConfigObject<RequestAuthenticationSpec>): Findings {
  const findings = new FindingList();
  checkDryRun(metadata, undefined, findings);
  checkScope(spec, findings);
  for (const [index, rule] of (spec.jwtRules ?? []).entries()) checkJwtRule(rule, ['spec', 'jwtRules', index], findings);
  return findings;
}

function checkJwtRule(rule: JwtRule, path: Path, findings: FindingList): void {
  const { jwks = '', jwksUri = '', timeout } = rule;
  const noneEmpty = (field: 'audiences' | 'fromParams' | 'fromCookies' | 'spaceDelimitedClaims'): void => {
    for (const [index, value] of (rule[field] ?? []).entries())
      if (value === '') findings.error([...path, field, index], 'must not be empty');
  };
  noneEmpty('audiences');
  noneEmpty('spaceDelimitedClaims');
  if (rule.presence === 'REQUIRED')
    findings.warning([...path, 'presence'], 'has no effect yet: let an AuthorizationPolicy ask for requestPrincipals ["*"]');
  if (rule.issuer === '' && jwksUri === '') findings.error([...path, 'issuer'], 'issuer or jwksUri must be set');
  if (jwksUri !== '' && !(/^https?:/i.test(jwksUri) && URL.canParse(jwksUri) && !/%(?![\da-f]{2})/i.test(jwksUri)))
    findings.error([...path, 'jwksUri'], `"${jwksUri}" is not a URL of http or https`);
  if (jwks !== '') checkKeys(jwks, [...path, 'jwks'], findings);
  for (const [index, { name }] of (rule.fromHeaders ?? []).entries())
    if (name === '') findings.error([...path, 'fromHeaders', index, 'name'], 'must not be empty');
  noneEmpty('fromParams');
  noneEmpty('fromCookies');
  for (const [index, { header, claim }] of (rule.outputClaimToHeaders ?? []).entries()) {
    const at = [...path, 'outputClaimToHeaders', index];
    if (header === '' || claim === '') findings.error(at, 'header and claim must both be set');
    else if (!HEADER_NAME.test(header))
      findings.error([...at, 'header'], `"${header}" is not a header name: use letters, digits, "-" and "_"`);
  }
  const ms = timeout === undefined ? undefined : durationMs(timeout);
  if (ms !== undefined && (ms < 1 || Math.abs(ms - Math.round(ms)) > 1e-9))
    findings.error([...path, 'timeout'], `"${timeout}" is not a whole number of milliseconds, at least 1ms`);
}

function checkKeys(text: string, path: Path, findings: FindingList): void {
  const keys = readKeySet(text);
  if (typeof keys === 'string') {
    findings.error(path, keys);
    return;
  }
  for (const [index, key] of keys.entries())
    if (key.secret) findings.warning(path, `key ${index} holds private key material; only public keys are needed to verify tokens`);
}
