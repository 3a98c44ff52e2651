import { type Clock, XebecError } from '@xebec/core';
import { serviceAccountId, type TrustDomain, unwrap, type VerificationKey, verifyToken } from '@xebec/identity';
import { type Authenticator, parseServiceAccountUser } from '../authenticator.ts';
import { type KeySource, openKeySource } from './key-source.ts';
import { createRecentVerdicts } from './recent-verdicts.ts';

export interface OidcTokenOptions {
  readonly keys: KeySource;
  readonly issuer?: string;
  /** One of them must be among the token's. */
  readonly audiences: readonly string[];
  readonly trustDomain: TrustDomain;
  /** By how much clocks of issuer and CA may differ; a minute by default, as in Kubernetes. */
  readonly clockSkewMs?: number;
  readonly clock: Clock;
}

const DEFAULT_CLOCK_SKEW_MS = 60_000;

/** Judges OIDC tokens: signature by a key of the issuer, issuer, audience, times, and a service account as subject. */
export function createOidcAuthenticator(options: OidcTokenOptions): Authenticator {
  const { audiences, issuer, trustDomain, clock } = options;
  const source = openKeySource(options.keys, clock);
  const name = 'OIDC token';
  const judge = (token: string, keys: readonly VerificationKey[]) =>
    verifyToken(token, {
      keys,
      audiences,
      now: clock.now(),
      clockSkewMs: options.clockSkewMs ?? DEFAULT_CLOCK_SKEW_MS,
      ...(issuer === undefined ? {} : { issuer }),
    });
  const recent = createRecentVerdicts();
  return {
    name,
    needs: 'token',
    async authenticate({ token }) {
      if (token === undefined) throw new XebecError('E_TOKEN', 'no bearer token');
      const current = await source.current();
      let verdict = recent.find(token, current, clock.now()) ?? judge(token, current);
      // The issuer may have a new key.
      if (!verdict.ok && verdict.error.code === 'E_JWT_KEY') verdict = judge(token, await source.refreshed());
      if (verdict.ok) recent.note(token, current, verdict, clock.now());
      const account = parseServiceAccountUser(unwrap(verdict).subject);
      if (account === undefined) throw new XebecError('E_JWT_SUBJECT', "the token's subject is no service account");
      return { id: unwrap(serviceAccountId(trustDomain, account.namespace, account.name)), account, provenBy: name };
    },
  };
}
