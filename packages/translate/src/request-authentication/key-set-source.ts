import { durationMs, type JwtRule } from '@xebec/schemas';

const DEFAULT_TIMEOUT_MS = 5000;

/** Where the keys of a rule come from when they do not stand in it. */
export interface KeySetSource {
  /** By which the snapshot knows the keys that were fetched (`MeshSnapshot.jwks`). */
  readonly name: string;
  /** `keys`: a key set is there. `discovery`: an OpenID provider's configuration is there, whose `jwks_uri` leads to the key set. */
  readonly kind: 'keys' | 'discovery';
  /** http or https. */
  readonly url: string;
  /** How long to wait for an answer, milliseconds. */
  readonly timeoutMs: number;
}

/**
 * The source of a rule without inline keys: its `jwksUri`, else what its issuer says of itself (OpenID Connect Discovery 1.0, section 4).
 * Undefined for a rule with keys, and for one whose keys nobody can fetch.
 */
export function keySetSource(rule: Pick<JwtRule, 'issuer' | 'jwks' | 'jwksUri' | 'timeout'>): KeySetSource | undefined {
  if (rule.jwks !== undefined && rule.jwks !== '') return undefined;
  const uri = rule.jwksUri ?? '';
  const timeoutMs = (rule.timeout === undefined ? undefined : durationMs(rule.timeout)) ?? DEFAULT_TIMEOUT_MS;
  if (uri !== '') return isWeb(uri) ? { name: uri, kind: 'keys', url: uri, timeoutMs } : undefined;
  const issuer = rule.issuer.replace(/\/$/, '');
  if (!isWeb(issuer)) return undefined;
  return { name: `discovery ${rule.issuer}`, kind: 'discovery', url: `${issuer}/.well-known/openid-configuration`, timeoutMs };
}

function isWeb(text: string): boolean {
  return /^https?:\/\//i.test(text) && URL.canParse(text);
}
