import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { checkServerIdentity, getCACertificates, type PeerCertificate } from 'node:tls';
import { type ChannelCredentials, type ChannelOptions, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { errorText } from '@xebec/core';
import type { ConnectionSpec } from '@xebec/schemas';
import type { AdapterEnvironment } from '../adapter.ts';
import { CallFailure } from './call-failure.ts';
import { type CallToken, callToken } from './call-token.ts';

type MutualSpec = NonNullable<NonNullable<ConnectionSpec['authentication']>['mutual']>;
type TlsSpec = NonNullable<NonNullable<ConnectionSpec['authentication']>['tls']>;

export interface ChannelIdentity {
  readonly credentials: ChannelCredentials;
  /** Changes when the files that the credentials were made of change. */
  readonly fingerprint: string;
  /** The name that the handshake asks for. */
  readonly options: ChannelOptions;
  readonly token: CallToken | undefined;
}

/** How Mixer and the adapter prove themselves to each other. Fails with the file that is of no use. */
export function channelIdentity(
  { address, authentication }: ConnectionSpec,
  environment: Pick<AdapterEnvironment, 'clock'>,
): ChannelIdentity {
  const { tls, mutual } = authentication ?? {};
  const host = hostOf(address);
  if (mutual !== undefined) return mutualIdentity(mutual, host);
  if (tls !== undefined) return tlsIdentity(tls, host, environment);
  return { credentials: credentials.createInsecure(), fingerprint: '', options: {}, token: undefined };
}

function hostOf(address: string): string {
  const authority = address.slice(address.lastIndexOf('/') + 1).replace(/^(?:dns|ipv4|ipv6):(?=.*:\d+$)/, '');
  return authority.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}

/** No handshake can ask for an address; the client cannot be told to ask for nothing, so it asks for what nobody is called. */
const NO_NAME = 'adapter.invalid';

function nameOptions(serverName: string | undefined, host: string): ChannelOptions {
  if (serverName !== undefined) return { 'grpc.ssl_target_name_override': serverName, 'grpc.default_authority': serverName };
  return isIP(host) === 0 ? {} : { 'grpc.ssl_target_name_override': NO_NAME };
}

function mutualIdentity({ caCertificates, clientCertificate, privateKey, serverName }: MutualSpec, host: string): ChannelIdentity {
  const key = readPem(privateKey, 'mutual.privateKey');
  const certificate = readPem(clientCertificate, 'mutual.clientCertificate');
  const roots = trusted(caCertificates, 'mutual.caCertificates');
  try {
    const own = spiffeId(certificate);
    return {
      credentials: credentials.createSsl(Buffer.from(roots), key, certificate, {
        checkServerIdentity: (_, peer) => checkPeer({ own, serverName }, host, peer),
      }),
      fingerprint: `${roots}${certificate.toString()}${key.toString()}`,
      // A SPIFFE id is no name that TLS could ask for.
      options: nameOptions(isSpiffe(serverName) ? undefined : serverName, host),
      token: undefined,
    };
  } catch (error) {
    const files = `${privateKey} and ${clientCertificate}`;
    throw new CallFailure(
      status.UNAVAILABLE,
      `spec.connection.authentication.mutual: ${files} are no key and its certificate: ${errorText(error)}`,
    );
  }
}

function tlsIdentity(tls: TlsSpec, host: string, { clock }: Pick<AdapterEnvironment, 'clock'>): ChannelIdentity {
  const roots = trusted(tls.caCertificates, 'tls.caCertificates');
  const channel = credentials.createSsl(Buffer.from(roots), null, null, {
    checkServerIdentity: (_, peer) => checkServerIdentity(tls.serverName ?? host, peer),
  });
  const token = callToken(tls, roots, clock);
  const generator = (token: CallToken) =>
    credentials.createFromMetadataGenerator((_, callback) => {
      token.metadata().then(
        (metadata) => callback(null, metadata),
        (error: unknown) => callback(serviceError(error)),
      );
    });
  return {
    credentials: token === undefined ? channel : credentials.combineChannelCredentials(channel, generator(token)),
    fingerprint: roots,
    options: nameOptions(tls.serverName, host),
    token,
  };
}

/**
 * Certificates of the mesh carry a SPIFFE id and often no host name. As in release 1.4 the adapter's must be Mixer's own, and `serverName`
 * is what the handshake asks for; but an adapter may also have the name that is asked for, or another SPIFFE id when it stands there.
 */
function checkPeer(
  { own, serverName }: { readonly own: string | undefined; readonly serverName: string | undefined },
  host: string,
  peer: PeerCertificate,
): Error | undefined {
  const uris = (peer.subjectaltname ?? '').split(', ').flatMap((name) => (name.startsWith('URI:') ? [name.slice(4)] : []));
  const expected = isSpiffe(serverName) ? serverName : own;
  if (expected !== undefined && uris.includes(expected)) return undefined;
  if (serverName === undefined ? own !== undefined : isSpiffe(serverName))
    return new Error(`the adapter's certificate is for ${uris.join(', ') || 'no SPIFFE id'}, not ${expected ?? ''}`);
  return checkServerIdentity(serverName ?? host, peer);
}

const isSpiffe = (name: string | undefined): name is string => name?.startsWith('spiffe://') === true;

function spiffeId(pem: Buffer): string | undefined {
  const names = new X509Certificate(pem).subjectAltName ?? '';
  return names
    .split(', ')
    .find((name) => name.startsWith('URI:spiffe://'))
    ?.slice(4);
}

/** Read once: there are hundreds. */
let system: string | undefined;

/** The system's roots and those of the file, as in release 1.4. */
function trusted(path: string | undefined, field: string): string {
  system ??= [...new Set([...getCACertificates('system'), ...getCACertificates('default')])].join('\n');
  if (path === undefined || path === '') return system;
  const own = readPem(path, field).toString();
  if (own.includes('-----BEGIN CERTIFICATE-----')) return `${own}\n${system}`;
  throw new CallFailure(status.UNAVAILABLE, `spec.connection.authentication.${field}: ${path} holds no certificate in PEM`);
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
