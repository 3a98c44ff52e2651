import { hash } from 'node:crypto';
import type { Metadata, ServerDuplexStream } from '@grpc/grpc-js';
import { type CertificateManager, ownRoots, peerIdentity } from '@xebec/agent';
import { ApiError, type KubernetesApi } from '@xebec/config';
import { type Clock, XebecError } from '@xebec/core';

/** Who is at the other end of a stream. */
export interface Caller {
  readonly namespace: string;
  readonly serviceAccount: string;
}

export type AuthenticatedCall = Pick<ServerDuplexStream<unknown, unknown>, 'metadata' | 'getAuthContext'>;

/** Finds out who calls; undefined: this listener asks nobody. Rejects with one line that says why not. */
export type Authenticate = (call: AuthenticatedCall) => Promise<Caller | undefined>;

/** The plaintext port: the network is trusted, as on Istio's 15010. */
export const trustEveryone: Authenticate = async () => undefined;

const MAX_TOKEN_BYTES = 16 * 1024;

/** The bearer token of a call, or undefined when it has none. */
export function bearerToken(metadata: Metadata): string | undefined {
  const [header] = metadata.get('authorization');
  if (typeof header !== 'string' || header.length > MAX_TOKEN_BYTES) return undefined;
  return /^Bearer ([\w.~+/=-]+)$/i.exec(header)?.[1];
}

export interface AuthenticatorOptions {
  /** Undefined: tokens cannot be judged. */
  readonly kubernetes: KubernetesApi | undefined;
  readonly certificates: CertificateManager;
  readonly trustDomain: string;
  readonly clock: Clock;
}

/** Audience of the projected token that sidecars carry. */
const AUDIENCE = 'istio-ca';
const REVIEW_TIMEOUT_MS = 5_000;
/** How long a token that was accepted once is accepted while the API server cannot be asked. */
const REMEMBER_MS = 15 * 60_000;
const MAX_REMEMBERED = 10_000;

/** Takes a client certificate of the mesh, or a service-account token that the API server vouches for. */
export function createAuthenticator(options: AuthenticatorOptions): Authenticate {
  const { kubernetes, certificates, clock } = options;
  const remembered = new Map<string, { readonly caller: Caller; readonly until: number }>();
  const review = async (token: string): Promise<Caller> => {
    if (kubernetes === undefined)
      throw new XebecError('E_UNAUTHENTICATED', 'tokens cannot be checked without --registries Kubernetes; show a client certificate');
    const key = hash('sha256', token, 'hex');
    try {
      const answer = await kubernetes.send(
        'POST',
        '/apis/authentication.k8s.io/v1/tokenreviews',
        { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token, audiences: [AUDIENCE] } },
        AbortSignal.timeout(REVIEW_TIMEOUT_MS),
      );
      const caller = callerOf(answer);
      if (remembered.size >= MAX_REMEMBERED) remembered.clear();
      remembered.set(key, { caller, until: clock.now() + REMEMBER_MS });
      return caller;
    } catch (error) {
      const known = remembered.get(key);
      const judged = error instanceof XebecError && !(error instanceof ApiError);
      if (judged) remembered.delete(key);
      if (!judged && known !== undefined && known.until > clock.now()) return known.caller;
      throw error;
    }
  };
  return async (call) => {
    // While a root rotation goes on callers show certificates of both roots.
    const rootPem = certificates.current() === undefined ? undefined : ownRoots(certificates.trust).join('');
    const peer =
      rootPem === undefined ? undefined : peerIdentity(call.getAuthContext(), { trustDomain: options.trustDomain, rootPem }, clock.now());
    if (peer?.ok === true) return workloadOf(peer.value.path);
    const token = bearerToken(call.metadata);
    if (token !== undefined) return await review(token);
    const reason = peer === undefined ? 'no client certificate and no bearer token' : peer.error.message;
    throw new XebecError('E_UNAUTHENTICATED', `the caller has not proven who it is: ${reason}`);
  };
}

/** `/ns/NAMESPACE/sa/ACCOUNT`. */
function workloadOf(path: string): Caller {
  const match = /^\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(path);
  if (match?.[1] === undefined || match[2] === undefined)
    throw new XebecError('E_UNAUTHENTICATED', `the certificate's identity "${path}" names no workload`);
  return { namespace: match[1], serviceAccount: match[2] };
}

function callerOf(review: unknown): Caller {
  const status = field(review, 'status');
  const user = String(field(field(status, 'user'), 'username') ?? '');
  const match = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(user);
  if (field(status, 'authenticated') !== true || match?.[1] === undefined || match[2] === undefined) {
    throw new XebecError(
      'E_UNAUTHENTICATED',
      `the API server does not accept the token: ${String(field(status, 'error') ?? 'not of a service account')}`,
    );
  }
  return { namespace: match[1], serviceAccount: match[2] };
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
