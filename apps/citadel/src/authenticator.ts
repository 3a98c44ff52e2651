import { readFileSync } from 'node:fs';
import { errorText, XebecError } from '@xebec/core';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';

/** A Kubernetes service account that a caller has proven to be. */
export interface ServiceAccount {
  readonly namespace: string;
  readonly name: string;
}

/** Resolves to the caller, rejects with one line that says why not. Tokens never stand in that line. */
export type TokenAuthenticator = (token: string) => Promise<ServiceAccount>;

/** The user name that Kubernetes gives service accounts. */
export function parseServiceAccountUser(user: string | undefined): ServiceAccount | undefined {
  const match = /^system:serviceaccount:([a-z0-9][a-z0-9.-]*):([a-z0-9][a-z0-9.-]*)$/.exec(user ?? '');
  return match?.[1] === undefined || match[2] === undefined ? undefined : { namespace: match[1], name: match[2] };
}

/** Judges OIDC tokens by keys in a local JWKS file: audience, expiry, issuer if given, and a service account as subject. */
export function createJwksAuthenticator(options: { jwksFile: string; audience: string; issuer?: string }): TokenAuthenticator {
  let keys: ReturnType<typeof createLocalJWKSet>;
  try {
    // jose checks the shape itself and throws.
    keys = createLocalJWKSet(JSON.parse(readFileSync(options.jwksFile, 'utf8')) as JSONWebKeySet);
  } catch (error) {
    throw new XebecError('E_FLAG', `--jwt-jwks ${options.jwksFile} is no readable JWKS file: ${errorText(error)}`);
  }
  const issuer = options.issuer === undefined ? {} : { issuer: options.issuer };
  return async (token) => {
    const { payload } = await jwtVerify(token, keys, {
      audience: options.audience,
      requiredClaims: ['exp', 'sub'],
      algorithms: ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'EdDSA'],
      ...issuer,
    });
    const account = parseServiceAccountUser(payload.sub);
    if (account === undefined) throw new XebecError('E_TOKEN', "the token's subject is no service account");
    return account;
  };
}
