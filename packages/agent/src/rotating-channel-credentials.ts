import { checkServerIdentity as checkServerName, type PeerCertificate } from 'node:tls';
import { type ChannelCredentials, experimental } from '@grpc/grpc-js';
import type { CertificateManager } from './certificate-manager.ts';
import { ownRoots } from './trust-store.ts';

/**
 * Mutual TLS with the certificate and the trust that a manager holds at each handshake. Connections wait until there is a certificate.
 * The server must have `serverId` (a SPIFFE ID) where it is given, else the name by which it is called.
 */
export function rotatingChannelCredentials(manager: CertificateManager, serverId?: string): ChannelCredentials {
  const provider = new ManagerCertificates(manager);
  return experimental.createCertificateProviderChannelCredentials(provider, provider, {
    checkServerIdentity: (host: string, certificate: PeerCertificate) => {
      if (serverId === undefined) return checkServerName(host, certificate);
      const names = (certificate.subjectaltname ?? '').split(', ');
      if (names.includes(`URI:${serverId}`)) return undefined;
      return new Error(`the server is ${certificate.subjectaltname ?? 'nobody by its certificate'}, but must be ${serverId}`);
    },
  });
}

type CaListener = experimental.CaCertificateUpdateListener;
type IdentityListener = experimental.IdentityCertificateUpdateListener;

/** A certificate manager as grpc-js asks for certificates. */
class ManagerCertificates implements experimental.CertificateProvider {
  readonly #manager: CertificateManager;
  readonly #stops = new Map<CaListener | IdentityListener, () => void>();

  constructor(manager: CertificateManager) {
    this.#manager = manager;
  }
  addCaCertificateListener(listener: CaListener): void {
    const tell = (): void => {
      const certificate = this.#manager.current();
      const roots = ownRoots(this.#manager.trust);
      const pem = roots.length > 0 ? roots.join('\n') : certificate?.rootPem;
      if (pem !== undefined) listener({ caCertificate: Buffer.from(pem) });
    };
    const stops = [this.#manager.trust.subscribe(tell), this.#manager.subscribe(tell)];
    this.#stops.set(listener, () => {
      for (const stop of stops) stop();
    });
    tell();
  }
  removeCaCertificateListener(listener: CaListener): void {
    this.#stop(listener);
  }
  addIdentityCertificateListener(listener: IdentityListener): void {
    const tell = (): void => {
      const held = this.#manager.current();
      if (held !== undefined) listener({ certificate: Buffer.from(held.certificateChainPem), privateKey: Buffer.from(held.privateKeyPem) });
    };
    this.#stops.set(listener, this.#manager.subscribe(tell));
    tell();
  }
  removeIdentityCertificateListener(listener: IdentityListener): void {
    this.#stop(listener);
  }
  #stop(listener: CaListener | IdentityListener): void {
    this.#stops.get(listener)?.();
    this.#stops.delete(listener);
  }
}
