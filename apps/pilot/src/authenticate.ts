import type { Metadata } from '@grpc/grpc-js';

/** Who is at the other end of a stream. `undefined`: the listener asks nobody (plaintext port). */
export interface Caller {
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** Finds out who calls, from the call's metadata; rejects with one line that says why not. */
export type Authenticate = (metadata: Metadata) => Promise<Caller | undefined>;

/** The plaintext port: the network is trusted, as on Istio's 15010. */
export const trustEveryone: Authenticate = async () => undefined;

const MAX_TOKEN_BYTES = 16 * 1024;

/** The bearer token of a call, or undefined when it has none. */
export function bearerToken(metadata: Metadata): string | undefined {
  const [header] = metadata.get('authorization');
  if (typeof header !== 'string' || header.length > MAX_TOKEN_BYTES) return undefined;
  return /^Bearer ([\w.~+/=-]+)$/i.exec(header)?.[1];
}
