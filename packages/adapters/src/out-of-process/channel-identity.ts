import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { checkServerIdentity, type PeerCertificate, rootCertificates } from 'node:tls';
import { type ChannelCredentials, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { errorText } from '@xebec/core';
import type { ConnectionSpec } from '@xebec/schemas';
import type { AdapterEnvironment } from '../adapter.ts';
import { CallFailure } from './call-failure.ts';
import { callToken } from './call-token.ts';

export interface ChannelIdentity {
  readonly credentials: ChannelCredentials;
  /** Changes when the files that the credentials were made of change. */
  readonly fingerprint: string;
  /** Name to ask for and to find in the certificate, when it is not the address. */
  readonly serverName: string | undefined;
}

/** How Mixer and the adapter prove themselves to each other. Fails with the file that cannot be read. */
export function channelIdentity({ authentication }: ConnectionSpec, environment: Pick<AdapterEnvironment, 'clock'>): ChannelIdentity {
  const { tls, mutual } = authentication ?? {};
  if (mutual !== undefined) {
    const key = readPem(mutual.privateKey, 'mutual.privateKey');
    const certificate = readPem(mutual.clientCertificate, 'mutual.clientCertificate');
    const roots = trusted(mutual.caCertificates, 'mutual.caCertificates');
    const expected = mutual.serverName ?? spiffeId(certificate);
    return {
      credentials: credentials.createSsl(Buffer.from(roots), key, certificate, {
        checkServerIdentity: (host, peer) => checkPeer(expected, host, peer),
      }),
      fingerprint: `${roots}${certificate.toString()}${key.toString()}`,
      // A SPIFFE id is no name that TLS could ask for.
      serverName: mutual.serverName?.startsWith('spiffe://') === true ? undefined : mutual.serverName,
    };
  }
  if (tls !== undefined) {
    const roots = trusted(tls.caCertificates, 'tls.caCertificates');
    const channel = credentials.createSsl(Buffer.from(roots));
    const token = callToken(tls, environment);
    const withToken =
      token === undefined
        ? channel
        : credentials.combineChannelCredentials(
            channel,
            credentials.createFromMetadataGenerator((_, callback) => {
              token().then(
                (metadata) => callback(null, metadata),
                (error: unknown) => callback(serviceError(error)),
              );
            }),
          );
    return { credentials: withToken, fingerprint: roots, serverName: tls.serverName };
  }
  return { credentials: credentials.createInsecure(), fingerprint: '', serverName: undefined };
}

/** Certificates of the mesh carry a SPIFFE id and often no host name: as in release 1.4 the adapter's must be Mixer's own, unless named. */
function checkPeer(expected: string | undefined, host: string, peer: PeerCertificate): Error | undefined {
  const uris = (peer.subjectaltname ?? '').split(', ').flatMap((name) => (name.startsWith('URI:') ? [name.slice(4)] : []));
  if (expected?.startsWith('spiffe://') === true) {
    if (uris.includes(expected)) return undefined;
    return new Error(`the adapter's certificate is for ${uris.join(', ') || 'no SPIFFE id'}, not ${expected}`);
  }
  return checkServerIdentity(expected ?? host, peer);
}

function spiffeId(pem: Buffer): string | undefined {
  const names = new X509Certificate(pem).subjectAltName ?? '';
  return names
    .split(', ')
    .find((name) => name.startsWith('URI:spiffe://'))
    ?.slice(4);
}

/** The system's roots and those of the file, as in release 1.4. */
function trusted(path: string | undefined, field: string): string {
  const system = rootCertificates.join('\n');
  return path === undefined || path === '' ? system : `${readPem(path, field).toString()}\n${system}`;
}

function readPem(path: string, field: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new CallFailure(status.UNAVAILABLE, `spec.connection.authentication.${field}: cannot read ${path}: ${errorText(error)}`);
  }
}

function serviceError(error: unknown): ServiceError {
  // Only code and message are read of it.
  return Object.assign(new Error(errorText(error)), { code: status.UNAVAILABLE }) as ServiceError;
}
