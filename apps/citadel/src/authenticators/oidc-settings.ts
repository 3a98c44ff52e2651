import { errorText, XebecError } from '@xebec/core';
import type { OidcTokenOptions } from './oidc-token.ts';

/**
 * What the flags `--jwt-jwks`, `--jwt-jwks-uri` and `--jwt-issuer`, or Istio's variable `JWT_RULE`, say of OIDC tokens; undefined when
 * nothing does. Flags win.
 */
export function oidcSettings(
  options: Readonly<Record<string, string>>,
  env: NodeJS.ProcessEnv,
): Pick<OidcTokenOptions, 'keys' | 'issuer' | 'audiences'> | undefined {
  const audiences = [options['tokenAudience'] ?? 'istio-ca'];
  const [file, url, issuer] = [options['jwtJwks'], options['jwtJwksUri'], options['jwtIssuer']];
  const named = issuer === undefined ? {} : { issuer };
  if (file !== undefined && url !== undefined) throw new XebecError('E_FLAG', '--jwt-jwks and --jwt-jwks-uri exclude each other');
  if (file !== undefined) return { keys: { kind: 'file', file }, audiences, ...named };
  if (url !== undefined) return { keys: { kind: 'url', url }, audiences, ...named };
  if (issuer !== undefined) return { keys: { kind: 'discovery', issuer }, audiences, issuer };
  const rule = env['JWT_RULE'];
  return rule === undefined || rule === '' ? undefined : ruleSettings(rule, audiences);
}

/** Istio's `JWT_RULE` is a JWTRule as JSON: `{"issuer":"https://…","jwksUri":"https://…","audiences":["istio-ca"]}`. */
function ruleSettings(text: string, audiences: readonly string[]): Pick<OidcTokenOptions, 'keys' | 'issuer' | 'audiences'> {
  let rule: unknown;
  try {
    rule = JSON.parse(text);
  } catch (error) {
    throw new XebecError('E_FLAG', `JWT_RULE is no JSON: ${errorText(error)}`);
  }
  const field = (...names: string[]): unknown =>
    typeof rule === 'object' && rule !== null
      ? names.map((name) => Reflect.get(rule, name)).find((value) => value !== undefined)
      : undefined;
  const issuer = field('issuer');
  const url = field('jwksUri', 'jwks_uri');
  const list = field('audiences');
  if (typeof issuer !== 'string' || issuer === '') throw new XebecError('E_FLAG', 'JWT_RULE wants an issuer');
  const keys = typeof url === 'string' && url !== '' ? { kind: 'url' as const, url } : { kind: 'discovery' as const, issuer };
  const given = Array.isArray(list) ? list.filter((entry) => typeof entry === 'string') : [];
  return { keys, issuer, audiences: given.length === 0 ? audiences : given };
}
