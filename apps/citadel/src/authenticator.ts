import type { SpiffeId } from '@xebec/identity';

/** A Kubernetes service account that a caller has proven to be. */
export interface ServiceAccount {
  readonly namespace: string;
  readonly name: string;
}

/** The pod that a token was made for, as far as the API server told. */
export interface PodReference {
  readonly name: string;
  readonly uid: string;
  /** Known where the API server writes it into tokens (Kubernetes 1.30 and later). */
  readonly node?: string;
}

/** Who calls, as one authenticator has proven it. */
export interface Caller {
  readonly id: SpiffeId;
  /** Absent where the ID has another form than Istio's. */
  readonly account?: ServiceAccount;
  readonly pod?: PodReference;
  /** Name of the authenticator that accepted. */
  readonly provenBy: string;
}

/** What a call carries that may prove an identity; nothing of it is checked yet, but for the certificate's chain by TLS. */
export interface CallEvidence {
  /** Address and port of the other end, as grpc-js gives it: `10.1.2.3:40000` or `[fd00::1]:40000`. */
  readonly peer: string;
  /** DER of the leaf that the client showed, where TLS found that it leads to the root. */
  readonly certificate?: Uint8Array;
  /** Bearer token. */
  readonly token?: string;
  /** Metadata `clusterid`. */
  readonly clusterId?: string;
  /** Metadata `x-forwarded-client-cert`. */
  readonly forwardedCertificates?: string;
}

/** One way to prove an identity. */
export interface Authenticator {
  /** Stands in logs. */
  readonly name: string;
  /** It is asked only about calls that carry this. */
  readonly needs: 'certificate' | 'token' | 'forwardedCertificates';
  /** Rejects with one line that says why not. Tokens never stand in that line. */
  authenticate(evidence: CallEvidence): Promise<Caller> | Caller;
}

/** The user name that Kubernetes gives service accounts. */
export function parseServiceAccountUser(user: string | undefined): ServiceAccount | undefined {
  const match = /^system:serviceaccount:([a-z0-9][a-z0-9.-]*):([a-z0-9][a-z0-9.-]*)$/.exec(user ?? '');
  return match?.[1] === undefined || match[2] === undefined ? undefined : { namespace: match[1], name: match[2] };
}
