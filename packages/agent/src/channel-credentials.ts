import { createSecureContext } from 'node:tls';
import { type ChannelCredentials, credentials } from '@grpc/grpc-js';

/**
 * Groups that agents offer to CA and pilot. Node's default adds a hybrid of ML-KEM, whose keys cost half a millisecond of both sides' CPU
 * at each first handshake; what goes over these connections (certificates, tokens of minutes, configuration) is worth nothing to who
 * reads it in ten years. Envoy offers the same two.
 */
const GROUPS = 'X25519:P-256';

/** TLS to a server of the mesh, judged by `roots` (PEM), with a client certificate where there is one. Throws what OpenSSL says. */
export function channelCredentials(
  roots: Buffer,
  certificate?: { readonly certificateChainPem: string; readonly privateKeyPem: string },
): ChannelCredentials {
  const own = certificate === undefined ? {} : { cert: certificate.certificateChainPem, key: certificate.privateKeyPem };
  return credentials.createFromSecureContext(createSecureContext({ ca: roots, ecdhCurve: GROUPS, ...own }));
}
