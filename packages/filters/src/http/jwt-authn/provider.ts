import type { KeySet } from './key-set.ts';
import type { TokenLocation } from './locations.ts';
import type { Token } from './token.ts';

/** Where a provider's keys come from: at once, or when a fetch is done. A string is why there are none. */
export interface KeySource {
  /** The keys when they are at hand and fresh. */
  current(): KeySet | string | undefined;
  /** Fetches; calls back once, later. */
  fetch(done: (keys: KeySet | string) => void): void;
  close?(): void;
}

/** `envoy.extensions.filters.http.jwt_authn.v3.JwtProvider`, compiled. */
export interface Provider {
  readonly name: string;
  /** Empty: any issuer. */
  readonly issuer: string;
  readonly audiences: ReadonlySet<string>;
  readonly allowsSubject: (subject: string) => boolean;
  readonly requireExpiration: boolean;
  /** Seconds; undefined is no limit. */
  readonly maxLifetime: number | undefined;
  readonly clockSkewSeconds: number;
  readonly locations: readonly TokenLocation[];
  readonly forward: boolean;
  readonly payloadHeader: string;
  readonly padPayloadHeader: boolean;
  readonly claimHeaders: readonly { readonly header: string; readonly claim: readonly string[] }[];
  readonly payloadMetadata: string;
  readonly headerMetadata: string;
  readonly failureMetadata: string;
  readonly spaceDelimitedClaims: ReadonlySet<string>;
  readonly clearRouteCache: boolean;
  readonly keys: KeySource;
}

/** Audiences are compared without scheme and last slash, as Envoy does. */
export function normalizeAudience(audience: string): string {
  const text = audience.endsWith('/') ? audience.slice(0, -1) : audience;
  return text.startsWith('https://') ? text.slice(8) : text.startsWith('http://') ? text.slice(7) : text;
}

/** Everything but the signature; undefined is good, a string is Envoy's text. `nowSeconds` since the epoch. */
export function checkClaims(token: Token, provider: Provider, audiences: ReadonlySet<string>, nowSeconds: number): string | undefined {
  if (provider.issuer !== '' && token.issuer !== provider.issuer) return 'Jwt issuer is not configured';
  if (!provider.allowsSubject(token.subject)) return 'Jwt verification fails';
  const skew = provider.clockSkewSeconds;
  if (token.notBefore > nowSeconds + skew) return 'Jwt not yet valid';
  if (token.expires !== 0 && nowSeconds > token.expires + skew) return 'Jwt is expired';
  if (provider.requireExpiration && token.expires === 0) return 'Jwt verification fails';
  if (provider.maxLifetime !== undefined) {
    // How long it was meant to live; without an end there is no limit to it.
    const from = Math.max(token.issuedAt, token.notBefore);
    if (token.expires === 0 || token.expires - (from === 0 ? nowSeconds : from) > provider.maxLifetime) return 'Jwt verification fails';
  }
  if (audiences.size > 0 && !token.audiences.some((audience) => audiences.has(normalizeAudience(audience))))
    return 'Audiences in Jwt are not allowed';
  return undefined;
}
