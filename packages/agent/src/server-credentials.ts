import { createSecureContext, type SecureContext, type SecureContextOptions, type Server as TlsServer } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';
import { invariant } from '@xebec/core';
import type { CertificateManager, WorkloadCertificate } from './certificate-manager.ts';
import { ownRoots } from './trust-store.ts';

/** Clients are judged by what the trust store holds now, which may be more than the roots that came with the certificate. */
function contextOptions(certificate: WorkloadCertificate, manager: CertificateManager): SecureContextOptions {
  const roots = ownRoots(manager.trust);
  return {
    key: certificate.privateKeyPem,
    cert: certificate.certificateChainPem,
    ca: roots.length > 0 ? [...roots] : certificate.rootPem,
    minVersion: 'TLSv1.2',
  };
}

/** Calls back with new options after each change of the certificate or of what is trusted; returns the unsubscriber. */
function onChange(manager: CertificateManager, apply: (options: SecureContextOptions) => void): () => void {
  const changed = () => {
    const certificate = manager.current();
    if (certificate !== undefined) apply(contextOptions(certificate, manager));
  };
  const stops = [manager.subscribe(changed), manager.trust.subscribe(changed)];
  return () => {
    for (const stop of stops) stop();
  };
}

/**
 * grpc-js server credentials whose certificate is swapped on live listeners at each rotation. Clients may show a certificate
 * (`verify_if_given`): the handler sees it through `call.getAuthContext()`. Await `manager.ready()` first.
 */
export function serverCredentials(manager: CertificateManager): ServerCredentials {
  return new RotatingCredentials(manager);
}

class RotatingCredentials extends ServerCredentials {
  readonly #manager: CertificateManager;

  constructor(manager: CertificateManager) {
    const certificate = manager.current();
    invariant(certificate !== undefined, 'serverCredentials wants a certificate: await manager.ready() first');
    super({ requestCert: true, rejectUnauthorized: false }, contextOptions(certificate, manager));
    this.#manager = manager;
    onChange(manager, (fresh) => this.updateSecureContextOptions(fresh));
  }
  override _isSecure(): boolean {
    return true;
  }
  override _equals(other: ServerCredentials): boolean {
    return other instanceof RotatingCredentials && other.#manager === this.#manager;
  }
}

/** Options for `https.createServer`, `http2.createSecureServer` or fastify's `https`: the certificate in use at each handshake. */
export function liveTlsOptions(manager: CertificateManager): {
  SNICallback: (name: string, done: (error: Error | null, context?: SecureContext) => void) => void;
} & SecureContextOptions {
  const first = manager.current();
  invariant(first !== undefined, 'liveTlsOptions wants a certificate: await manager.ready() first');
  let context = createSecureContext(contextOptions(first, manager));
  onChange(manager, (fresh) => {
    context = createSecureContext(fresh);
  });
  return { ...contextOptions(first, manager), SNICallback: (_name, done) => done(null, context) };
}

/** Swaps the certificate of a listening TLS server at each rotation, for clients that send no SNI too; returns the unsubscriber. */
export function keepFresh(server: TlsServer, manager: CertificateManager): () => void {
  return onChange(manager, (fresh) => server.setSecureContext(fresh));
}
