import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { ok, type Result } from '@xebec/core';
import { type Certificate, certificatePem, parseCertificate, parseCertificates } from './certificate.ts';
import type { CertificateRequest } from './csr.ts';
import { bitString, der, oid, sequence, TAG, time, unsignedInteger } from './der.ts';
import {
  authorityKeyIdExtension,
  basicConstraintsExtension,
  extendedKeyUsageExtension,
  keyIdentifier,
  keyUsageExtension,
  subjectAltNameExtension,
  subjectKeyIdExtension,
} from './extensions.ts';
import { type KeyPair, signatureAlgorithm, signBytes } from './keys.ts';
import { OID } from './oids.ts';
import { quoted, type Refusal, refuse } from './refusal.ts';

/** Clocks of the mesh may differ by this much. */
const BACKDATE_MS = 2 * 60_000;
const MAX_DNS_NAMES = 64;

/** Who signs: the CA's certificate and key, what stands between it and the root, and the roots that others must trust. */
export interface Authority {
  readonly certificate: Certificate;
  readonly privateKey: KeyObject;
  /** Intermediates from the signer up, without the root; empty when the signer is the root. */
  readonly intermediates: readonly Certificate[];
  /** PEM of every root that is trusted, the last element of what a client gets. */
  readonly rootPem: string;
}

export interface TtlPolicy {
  readonly defaultTtlMs: number;
  readonly maxTtlMs: number;
}

/** The life a request gets: the default for 0, an `E_TTL` (never a silent cut) above the maximum. */
export function certificateTtlMs(requestedSeconds: bigint, policy: TtlPolicy): Result<number, Refusal> {
  if (requestedSeconds < 0n) return refuse('E_TTL', `the requested TTL of ${requestedSeconds} s is negative`);
  if (requestedSeconds === 0n) return ok(policy.defaultTtlMs);
  if (requestedSeconds * 1000n > BigInt(policy.maxTtlMs)) {
    return refuse('E_TTL', `the requested TTL of ${requestedSeconds} s is greater than the maximum of ${policy.maxTtlMs / 1000} s`);
  }
  return ok(Number(requestedSeconds) * 1000);
}

export interface LeafTemplate {
  /** SANs come from the authenticated caller alone, never from the request. */
  readonly uri: string;
  readonly dnsNames?: readonly string[];
  readonly ttlMs: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** 16 random bytes. */
  readonly serial: Uint8Array;
}

/** Signs a leaf: empty subject, critical SAN, CA:false, digitalSignature + keyEncipherment, serverAuth + clientAuth. */
export function issueLeaf(authority: Authority, request: CertificateRequest, template: LeafTemplate): Result<Certificate, Refusal> {
  const signer = authority.certificate;
  if (signer.notAfter <= template.now) {
    return refuse('E_CA_EXPIRED', `the CA certificate expired at ${new Date(signer.notAfter).toISOString()}; no leaf can be signed`);
  }
  const dnsNames = template.dnsNames ?? [];
  if (dnsNames.length > MAX_DNS_NAMES) return refuse('E_CERTIFICATE', `${dnsNames.length} DNS names are more than ${MAX_DNS_NAMES}`);
  for (const name of [template.uri, ...dnsNames]) {
    if (!/^[\x21-\x7e]{1,2048}$/.test(name)) return refuse('E_CERTIFICATE', `${quoted(name)} cannot be a subject alternative name`);
  }
  const body = {
    serial: template.serial,
    issuer: signer.subject,
    subject: sequence(),
    notBefore: template.now - BACKDATE_MS,
    notAfter: Math.min(template.now + template.ttlMs, signer.notAfter),
    spki: request.spki,
    extensions: [
      keyUsageExtension(['digitalSignature', 'keyEncipherment']),
      extendedKeyUsageExtension(),
      basicConstraintsExtension(false),
      authorityKeyIdExtension(keyIdentifier(signer.spki)),
      // RFC 5280 4.2.1.6: critical because the subject is empty.
      subjectAltNameExtension({ uris: [template.uri], dnsNames }, true),
    ],
  };
  return parseCertificate(signCertificate(body, authority.privateKey));
}

export interface RootTemplate {
  readonly organization: string;
  readonly ttlMs: number;
  readonly now: number;
  readonly serial: Uint8Array;
}

/** Signs a root with its own key: CA:true, keyCertSign + cRLSign. */
export function createSelfSignedRoot(keys: KeyPair, template: RootTemplate): Result<Certificate, Refusal> {
  const spki = keys.publicKey.export({ format: 'der', type: 'spki' });
  const name = sequence(der(TAG.set, sequence(oid(OID.organization), der(TAG.utf8String, Buffer.from(template.organization, 'utf8')))));
  const body = {
    serial: template.serial,
    issuer: name,
    subject: name,
    notBefore: template.now - BACKDATE_MS,
    notAfter: template.now + template.ttlMs,
    spki,
    extensions: [
      keyUsageExtension(['keyCertSign', 'cRLSign']),
      basicConstraintsExtension(true),
      subjectKeyIdExtension(keyIdentifier(spki)),
    ],
  };
  return parseCertificate(signCertificate(body, keys.privateKey));
}

/** Reads and checks a CA as it is stored: the certificate must be a CA's, and the key its own. */
export function loadAuthority(pem: { certificate: string; privateKey: string; chain?: string; root?: string }): Result<Authority, Refusal> {
  const certificates = parseCertificates(pem.certificate);
  if (!certificates.ok) return certificates;
  const [certificate] = certificates.value;
  if (certificate === undefined) return refuse('E_PEM', 'there is no CA certificate');
  if (certificate.extensions.basicConstraints?.ca !== true)
    return refuse('E_CERTIFICATE', "the CA's certificate has no CA:true basic constraint");
  if (certificate.extensions.keyUsage?.usages.has('keyCertSign') !== true) {
    return refuse('E_CERTIFICATE', "the CA's certificate lacks the key usage keyCertSign");
  }
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(pem.privateKey);
  } catch {
    // The cause could quote key material.
    return refuse('E_CA_KEY', "the CA's private key cannot be read; it must be PEM, without a passphrase");
  }
  const own = createPublicKey(pem.privateKey).export({ format: 'der', type: 'spki' });
  if (!own.equals(certificate.spki)) return refuse('E_CA_KEY', "the CA's private key does not belong to its certificate");
  let intermediates: Certificate[] = [];
  if (pem.chain !== undefined && pem.chain.trim() !== '') {
    const chain = parseCertificates(pem.chain);
    if (!chain.ok) return chain;
    intermediates = chain.value.filter((link) => !Buffer.from(link.subject).equals(link.issuer));
  }
  const rootPem = pem.root === undefined || pem.root.trim() === '' ? certificatePem(certificate) : pem.root;
  const roots = parseCertificates(rootPem);
  if (!roots.ok) return roots;
  return ok({ certificate, privateKey, intermediates, rootPem: roots.value.map(certificatePem).join('') });
}

/** What `CreateCertificate` answers: the leaf, each intermediate, then the root bundle as one element. */
export function certificateChain(authority: Authority, leaf: Certificate): string[] {
  const selfSigned = Buffer.from(authority.certificate.subject).equals(authority.certificate.issuer);
  const between = selfSigned
    ? []
    : [authority.certificate, ...authority.intermediates.filter((link) => !sameDer(link, authority.certificate))];
  return [leaf, ...between].map(certificatePem).concat(authority.rootPem);
}

function sameDer(a: Certificate, b: Certificate): boolean {
  return Buffer.from(a.der).equals(b.der);
}

export interface CertificateBody {
  readonly serial: Uint8Array;
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly spki: Uint8Array;
  readonly extensions: readonly Uint8Array[];
}

export function signCertificate(body: CertificateBody, privateKey: KeyObject): Uint8Array {
  const algorithm = signatureAlgorithm(privateKey);
  const serial = Uint8Array.from(body.serial);
  // Positive, not zero, and of the same length always: RFC 5280 4.1.2.2.
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const tbs = sequence(
    der(0xa0, unsignedInteger(Uint8Array.of(2))),
    unsignedInteger(serial),
    algorithm,
    body.issuer,
    sequence(time(body.notBefore), time(body.notAfter)),
    body.subject,
    body.spki,
    der(0xa3, sequence(...body.extensions)),
  );
  return sequence(tbs, algorithm, bitString(signBytes(tbs, privateKey)));
}
