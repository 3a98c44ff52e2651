import { type ServerUnaryCall, status } from '@grpc/grpc-js';
import { errorText, type Logger } from '@xebec/core';
import type { Authenticator, CallEvidence, Caller } from '../authenticator.ts';
import { CallRefused } from './call-refused.ts';

/** What is asked of a call of grpc-js, unary or streaming; of the client's certificate only its DER is read. */
export interface IncomingCall extends Pick<ServerUnaryCall<unknown, unknown>, 'metadata' | 'getPeer'> {
  getAuthContext(): { readonly sslPeerCertificate?: { readonly raw?: Uint8Array } };
}

/** Resolves to the caller, rejects with a CallRefused that says as little as Istio does; the reasons are logged. */
export type Authenticate = (call: IncomingCall) => Promise<Caller>;

export interface AuthenticateOptions {
  /** Asked in this order; the first that accepts decides. */
  readonly authenticators: readonly Authenticator[];
  /** Counts callers that proved nothing. */
  readonly failures: { inc(): void };
  readonly logger: Logger;
}

/** A service-account token has about 1 kB. */
const MAX_TOKEN_BYTES = 16 * 1024;

/** Istio's order: the client's certificate, OIDC tokens, tokens that the API server judges, certificates that a trusted gateway names. */
export function createAuthenticate(options: AuthenticateOptions): Authenticate {
  const { authenticators, logger } = options;
  return async (call) => {
    const evidence = evidenceOf(call);
    const reasons: string[] = [];
    for (const authenticator of authenticators) {
      if (evidence[authenticator.needs] === undefined) {
        reasons.push(`${authenticator.name}: none`);
        continue;
      }
      try {
        return await authenticator.authenticate(evidence);
      } catch (error) {
        reasons.push(`${authenticator.name}: ${errorText(error)}`);
      }
    }
    options.failures.inc();
    logger.warn({ peer: evidence.peer }, `no identity: ${reasons.join('; ').slice(0, 2000)}`);
    // Istio's text, which its agents' users search for.
    throw new CallRefused(status.UNAUTHENTICATED, 'request authenticate failure');
  };
}

export function evidenceOf(call: IncomingCall): CallEvidence {
  const certificate = call.getAuthContext().sslPeerCertificate?.raw;
  const token = bearerToken(call);
  const clusterId = only(call, 'clusterid');
  const forwardedCertificates = only(call, 'x-forwarded-client-cert');
  return {
    peer: call.getPeer(),
    ...(certificate === undefined ? {} : { certificate }),
    ...(token === undefined ? {} : { token }),
    ...(clusterId === undefined ? {} : { clusterId }),
    ...(forwardedCertificates === undefined ? {} : { forwardedCertificates }),
  };
}

function bearerToken(call: IncomingCall): string | undefined {
  for (const header of call.metadata.get('authorization')) {
    const token = typeof header === 'string' ? /^Bearer (\S+)$/.exec(header)?.[1] : undefined;
    if (token !== undefined && token.length <= MAX_TOKEN_BYTES) return token;
  }
  return undefined;
}

/** The value of a key that came once; of two nobody knows which is meant. */
function only(call: IncomingCall, key: string): string | undefined {
  const values = call.metadata.get(key);
  const [value] = values;
  return values.length === 1 && typeof value === 'string' ? value : undefined;
}
