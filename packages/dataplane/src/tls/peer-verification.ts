import { createHash, X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { XebecError } from '@xebec/core';
import {
  type CertificateValidationContext,
  CertificateValidationContext_TrustChainVerification as TrustChain,
} from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/common';
import { verifyFailure } from './failure-text.ts';
import type { LeafRevocation } from './leaf-revocation.ts';
import type { SpiffeValidator } from './spiffe-validator.ts';
import { compileNameMatchers, matchesDnsName, type NamePredicate, subjectNames } from './subject-names.ts';
import type { TlsStats } from './tls-stats.ts';

/** What a peer's certificate must be, from one or two validation contexts (the second comes from SDS). */
export interface PeerVerification {
  /** A trusted CA is configured, so a peer's chain is checked. */
  readonly checksChain: boolean;
  /** Peers are asked for a certificate. */
  readonly wantsCertificate: boolean;
  /** Names or pins are configured: no certificate is none of them. */
  readonly needsCertificate: boolean;
  /** Undefined when the peer is accepted; else Envoy's text for the failure. Counts failures. */
  verify(socket: TLSSocket, stats: TlsStats, serverName?: string): string | undefined;
}

export interface VerificationInput {
  readonly validations: readonly CertificateValidationContext[];
  /** PEM. */
  readonly trusted: readonly Buffer[];
  /** Judges by trust domain; `trusted` holds the roots of all of them then. Pins count for nothing beside it, as in Envoy. */
  readonly spiffe?: SpiffeValidator | undefined;
  /** Looks up leaves alone; undefined where OpenSSL has the lists, or there are none. */
  readonly revocation?: LeafRevocation | undefined;
}

/** Throws XebecError `E_CONFIG` for pins of the wrong form. */
export function compileVerification({ validations, trusted, spiffe, revocation }: VerificationInput): PeerVerification {
  const names: NamePredicate[] = validations.flatMap(compileNameMatchers);
  const hashes = new Set(validations.flatMap(({ verifyCertificateHash }) => verifyCertificateHash.map(normalizedHash)));
  const keys = new Set(validations.flatMap(({ verifyCertificateSpki }) => verifyCertificateSpki.map(checkedSpki)));
  // Envoy's SPIFFE validator knows no such mercy.
  const acceptsUntrusted = spiffe === undefined && validations.some((each) => each.trustChainVerification === TrustChain.ACCEPT_UNTRUSTED);
  const acceptsExpired = validations.some((each) => each.allowExpiredCertificate);
  const pinned = hashes.size + keys.size > 0;
  const roots = trusted.flatMap(certificatesOf);
  const checkSpiffe = (
    validator: SpiffeValidator,
    socket: TLSSocket,
    certificate: X509Certificate,
    stats: TlsStats,
  ): string | undefined => {
    const domainRoots = validator.rootsFor(certificate);
    if (typeof domainRoots === 'string') {
      stats.failVerifyError.add(1);
      return spiffeFailure(domainRoots);
    }
    const error = chainError(socket);
    const tolerated = error === undefined || (acceptsExpired && error === 'CERT_HAS_EXPIRED');
    const reason = tolerated && !chainsTo(socket, certificate, domainRoots) ? 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY' : error;
    if (reason !== undefined && !(tolerated && reason === error)) {
      stats.failVerifyError.add(1);
      return spiffeFailure(`X509_verify_cert: certificate verification error at depth ${depthOf(reason)}: ${chainTexts[reason] ?? reason}`);
    }
    if (validator.isRevoked(certificate)) {
      stats.failVerifyError.add(1);
      return spiffeFailure(`X509_verify_cert: certificate verification error at depth 0: ${chainTexts['CERT_REVOKED']}`);
    }
    const own = subjectNames(certificate.subjectAltName);
    if (names.length === 0 || own.some((name) => names.some((matches) => matches(name)))) return undefined;
    stats.failVerifySan.add(1);
    return spiffeFailure('verify cert failed: SAN match');
  };
  const check = (socket: TLSSocket, certificate: X509Certificate, stats: TlsStats, serverName: string | undefined): string | undefined => {
    if (spiffe !== undefined) return checkSpiffe(spiffe, socket, certificate, stats);
    if (trusted.length > 0) {
      const error = chainError(socket);
      const tolerated =
        acceptsExpired && (error === 'CERT_HAS_EXPIRED' || error === 'CERT_NOT_YET_VALID') && chainsTo(socket, certificate, roots);
      const reason = error !== undefined && !tolerated ? error : revocation?.check(socket, certificate, Date.now());
      if (reason !== undefined) {
        stats.failVerifyError.add(1);
        return verifyFailure(
          `X509_verify_cert: certificate verification error at depth ${depthOf(reason)}: ${chainTexts[reason] ?? reason}`,
        );
      }
    }
    const own = names.length > 0 || serverName !== undefined ? subjectNames(certificate.subjectAltName) : [];
    if (serverName !== undefined && !own.some((name) => isNameOf(name, serverName))) {
      stats.failVerifySan.add(1);
      return verifyFailure(
        `verify SAN list, expected SANs: [${serverName}], certificate SANs: [${own.map(({ value }) => value).join(', ')}]`,
      );
    }
    const named = names.length === 0 || own.some((name) => names.some((matches) => matches(name)));
    if (!named) {
      stats.failVerifySan.add(1);
      return verifyFailure(`SAN matcher, certificate SANs are [${own.map(({ value }) => value).join(', ')}]`);
    }
    if (pinned && !hashes.has(sha256(certificate.raw).toString('hex')) && !keys.has(spkiOf(certificate))) {
      stats.failVerifyCertHash.add(1);
      return verifyFailure('cert hash and spki');
    }
    return undefined;
  };
  return {
    checksChain: trusted.length > 0,
    needsCertificate: pinned || names.length > 0,
    wantsCertificate: trusted.length > 0 || pinned || names.length > 0,
    verify(socket, stats, serverName) {
      const certificate = socket.getPeerX509Certificate();
      if (certificate === undefined) {
        // A resumed session shows no certificate: only sessions of verified peers are kept.
        if (!socket.isSessionReused()) stats.noCertificate.add(1);
        return undefined;
      }
      const failure = check(socket, certificate, stats, serverName);
      return acceptsUntrusted ? undefined : failure;
    },
  };
}

function spiffeFailure(detail: string): string {
  return verifyFailure(detail.replace(/^verify cert failed: /, ''));
}

function isNameOf({ kind, value }: { readonly kind: string; readonly value: string }, serverName: string): boolean {
  return (kind === 'dns' && matchesDnsName(serverName, value)) || (kind === 'ip' && value === serverName);
}

function normalizedHash(text: string): string {
  const hash = text.replaceAll(':', '').toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(hash)) throw new XebecError('E_CONFIG', `Invalid hex-encoded SHA-256 ${text}`);
  return hash;
}

function checkedSpki(text: string): string {
  if (Buffer.from(text, 'base64').length !== 32) throw new XebecError('E_CONFIG', `Invalid base64-encoded SHA-256 ${text}`);
  return text;
}

function sha256(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}

function spkiOf(certificate: X509Certificate): string {
  return sha256(certificate.publicKey.export({ type: 'spki', format: 'der' })).toString('base64');
}

/** OpenSSL's verdict on the chain, as a code; node:tls reports it only for its own servers, so it is read from the handle. */
function chainError(socket: TLSSocket): string | undefined {
  const handle: unknown = Reflect.get(socket, '_handle');
  const verify: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'verifyError') : undefined;
  if (typeof verify !== 'function') return 'UNSPECIFIED';
  const error: unknown = Reflect.apply(verify, handle, []);
  if (!(error instanceof Error)) return undefined;
  const code: unknown = Reflect.get(error, 'code');
  return typeof code === 'string' ? code : 'UNSPECIFIED';
}

/** In BoringSSL's words. OpenSSL goes on after a missing issuer and then reports the leaf. */
const chainTexts: Readonly<Record<string, string>> = {
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'unable to get local issuer certificate',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'unable to get local issuer certificate',
  UNABLE_TO_GET_ISSUER_CERT: 'unable to get issuer certificate',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'self signed certificate',
  SELF_SIGNED_CERT_IN_CHAIN: 'self signed certificate in certificate chain',
  CERT_HAS_EXPIRED: 'certificate has expired',
  CERT_NOT_YET_VALID: 'certificate is not yet valid',
  CERT_REVOKED: 'certificate revoked',
  CERT_SIGNATURE_FAILURE: 'certificate signature failure',
  UNABLE_TO_GET_CRL: 'unable to get certificate CRL',
  CRL_HAS_EXPIRED: 'CRL has expired',
  CRL_NOT_YET_VALID: 'CRL is not yet valid',
  INVALID_CA: 'invalid CA certificate',
  INVALID_PURPOSE: 'unsupported certificate purpose',
  PATH_LENGTH_EXCEEDED: 'path length constraint exceeded',
  CERT_CHAIN_TOO_LONG: 'certificate chain too long',
};

function depthOf(code: string): number {
  return code === 'SELF_SIGNED_CERT_IN_CHAIN' ? 1 : 0;
}

/** Bundles that were read last: the contexts of hundreds of clusters judge by the same one. */
const read = new Map<string, readonly X509Certificate[]>();
const MAX_READ = 16;

export function certificatesOf(pem: Buffer): readonly X509Certificate[] {
  const key = sha256(pem).toString('base64');
  const known = read.get(key);
  if (known !== undefined) return known;
  const certificates = readCertificates(pem);
  const [oldest] = read.keys();
  if (read.size >= MAX_READ && oldest !== undefined) read.delete(oldest);
  read.set(key, certificates);
  return certificates;
}

function readCertificates(pem: Buffer): X509Certificate[] {
  const blocks = pem.toString('latin1').match(/-----BEGIN (?:TRUSTED )?CERTIFICATE-----[\s\S]*?-----END (?:TRUSTED )?CERTIFICATE-----/g);
  return (blocks ?? []).map((block) => new X509Certificate(block));
}

const maxDepth = 10;

/** Whether signatures lead from a certificate to a root. The one thing left to check where "expired" hid every other error. */
function chainsTo(socket: TLSSocket, leaf: X509Certificate, roots: readonly X509Certificate[]): boolean {
  let current = leaf;
  const sent = new Map<string, X509Certificate>();
  let link: object | undefined = socket.getPeerCertificate(true);
  for (let depth = 0; depth < maxDepth && link !== undefined; depth++) {
    const raw: unknown = Reflect.get(link, 'raw');
    if (Buffer.isBuffer(raw)) {
      const certificate = new X509Certificate(raw);
      sent.set(certificate.fingerprint256, certificate);
    }
    const next: unknown = Reflect.get(link, 'issuerCertificate');
    link = typeof next === 'object' && next !== null && next !== link ? next : undefined;
  }
  const isIssuerOf = (issuer: X509Certificate, subject: X509Certificate) =>
    issuer.ca && subject.checkIssued(issuer) && subject.verify(issuer.publicKey);
  for (let depth = 0; depth < maxDepth; depth++) {
    const subject = current;
    if (roots.some((root) => root.fingerprint256 === subject.fingerprint256 || isIssuerOf(root, subject))) return true;
    const issuer = [...sent.values()].find((each) => each.fingerprint256 !== subject.fingerprint256 && isIssuerOf(each, subject));
    if (issuer === undefined) return false;
    current = issuer;
  }
  return false;
}
