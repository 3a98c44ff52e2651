import { type Clock, errorText, XebecError } from '@xebec/core';
import { readCompactToken, serviceAccountId, type TrustDomain, unwrap } from '@xebec/identity';
import { errors, jwtVerify } from 'jose';
import { type Authenticator, parseServiceAccountUser } from '../authenticator.ts';
import { type KeySource, openKeySource } from './key-source.ts';

export interface OidcTokenOptions {
  readonly keys: KeySource;
  readonly issuer?: string;
  /** One of them must be among the token's. */
  readonly audiences: readonly string[];
  readonly trustDomain: TrustDomain;
  /** By how much clocks of issuer and CA may differ. */
  readonly clockSkewMs?: number;
  readonly clock: Clock;
}

/** Signatures by a private key only: with an HMAC the public key of the set would be the secret. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];
const DEFAULT_CLOCK_SKEW_MS = 60_000;

/** Judges OIDC tokens: signature by a key of the issuer, issuer, audience, times, and a service account as subject. */
export function createOidcAuthenticator(options: OidcTokenOptions): Authenticator {
  const getKey = openKeySource(options.keys);
  const name = 'OIDC token';
  return {
    name,
    async authenticate({ token }) {
      if (token === undefined) throw new XebecError('E_TOKEN', 'no bearer token');
      const { header, claims } = unwrap(readCompactToken(token));
      if (header['crit'] !== undefined) throw new XebecError('E_JWT_FORMAT', 'the token has critical header fields, none is known');
      for (const claim of ['exp', 'sub', 'aud']) {
        if (claims[claim] === undefined) throw new XebecError('E_JWT_CLAIM', `the token has no claim ${claim}`);
      }
      try {
        // Keys or addresses of keys in the header (jwk, jku, x5c, x5u) are the sender's word, nothing reads them.
        await jwtVerify(token, getKey, {
          algorithms: ALGORITHMS,
          audience: [...options.audiences],
          requiredClaims: ['exp', 'sub', 'aud'],
          clockTolerance: (options.clockSkewMs ?? DEFAULT_CLOCK_SKEW_MS) / 1000,
          currentDate: new Date(options.clock.now()),
          ...(options.issuer === undefined ? {} : { issuer: options.issuer }),
        });
      } catch (error) {
        throw refusalOf(error);
      }
      const account = parseServiceAccountUser(typeof claims['sub'] === 'string' ? claims['sub'] : undefined);
      if (account === undefined) throw new XebecError('E_JWT_SUBJECT', "the token's subject is no service account");
      return { id: unwrap(serviceAccountId(options.trustDomain, account.namespace, account.name)), account, provenBy: name };
    },
  };
}

function refusalOf(error: unknown): XebecError {
  if (error instanceof XebecError) return error;
  if (error instanceof errors.JWTExpired) return new XebecError('E_JWT_EXPIRED', 'the token has expired');
  if (error instanceof errors.JWTClaimValidationFailed) {
    const codes: Readonly<Record<string, string>> = { iss: 'E_JWT_ISSUER', aud: 'E_JWT_AUDIENCE', nbf: 'E_JWT_NOT_YET_VALID' };
    const texts: Readonly<Record<string, string>> = {
      iss: 'the token is of another issuer',
      aud: 'the token is for another audience',
      nbf: 'the token is not valid yet',
    };
    return new XebecError(codes[error.claim] ?? 'E_JWT_CLAIM', texts[error.claim] ?? `the claim ${error.claim} is wrong: ${error.message}`);
  }
  if (error instanceof errors.JOSEAlgNotAllowed) return new XebecError('E_JWT_ALGORITHM', "the token's algorithm is not allowed");
  if (error instanceof errors.JWSSignatureVerificationFailed)
    return new XebecError('E_JWT_SIGNATURE', 'the token is not signed by the key that it names');
  if (error instanceof errors.JWKSNoMatchingKey) return new XebecError('E_JWT_KEY', 'no key of the issuer fits the token');
  if (error instanceof errors.JWKSMultipleMatchingKeys)
    return new XebecError('E_JWT_KEY', 'the token names no key, and several of the issuer fit');
  if (error instanceof errors.JOSEError) return new XebecError('E_JWT_FORMAT', `the token cannot be read: ${error.message}`);
  return new XebecError('E_JWT_KEY', `the issuer's keys are not to be had: ${errorText(error)}`);
}
