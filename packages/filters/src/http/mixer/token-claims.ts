import type { StreamInfo } from '@xebec/telemetry';

type Claims = Readonly<Record<string, unknown>>;

/** The claims of the token that `jwt_authn` has accepted; it leaves them in metadata under a name that its provider chooses. */
export function claimsOf(info: StreamInfo): Claims | undefined {
  if (info.hasDynamicMetadata === false) return undefined;
  const metadata = info.dynamicMetadata.get('envoy.filters.http.jwt_authn');
  if (metadata === undefined) return undefined;
  for (const payload of Object.values(metadata)) {
    if (typeof payload === 'object' && payload !== null && 'iss' in payload) return payload as Claims; // An object has nothing else.
  }
  return undefined;
}

/** Text, or texts with commas between them; undefined for claims of other types. */
export function claimText(claim: unknown): string | undefined {
  if (typeof claim === 'string') return claim === '' ? undefined : claim;
  if (!Array.isArray(claim)) return undefined;
  const texts = claim.filter((part) => typeof part === 'string');
  return texts.length === 0 ? undefined : texts.join(',');
}

/** The claims that are text, as names and values in turn. */
export function textClaims(claims: Claims | undefined): readonly string[] | undefined {
  if (claims === undefined) return undefined;
  const pairs: string[] = [];
  for (const [name, value] of Object.entries(claims)) {
    const text = claimText(value);
    if (text !== undefined) pairs.push(name, text);
  }
  return pairs.length === 0 ? undefined : pairs;
}
