import { createPrivateKey, type KeyObject } from 'node:crypto';
import { ok, type Result } from '@xebec/core';
import { type Certificate, certificatePem, parseCertificate, parseCertificates } from './certificate.ts';
import { BACKDATE_MS, signCertificate } from './certificate-body.ts';
import { der, oid, sequence, TAG } from './der.ts';
import { basicConstraintsExtension, keyIdentifier, keyUsageExtension, subjectKeyIdExtension } from './extensions.ts';
import type { KeyPair } from './keys.ts';
import { OID } from './oids.ts';
import { type Refusal, refuse } from './refusal.ts';
import { type LocalSigner, localSigner, type Signer } from './signer.ts';

/**
 * Who signs: the CA's certificate and signer, what stands between it and the root, and the roots that others must trust. An
 * `Authority<Signer>` may have its key elsewhere and signs later; a plain `Authority` has it in this process and signs at once.
 */
export interface Authority<S extends Signer = LocalSigner> {
  readonly certificate: Certificate;
  readonly signer: S;
  /** Intermediates from the signer up, without the root; empty when the signer is the root. */
  readonly intermediates: readonly Certificate[];
  /** PEM of every root that is trusted, the last element of what a client gets. */
  readonly rootPem: string;
}

export interface RootTemplate {
  readonly organization: string;
  readonly ttlMs: number;
  readonly now: number;
  readonly serial: Uint8Array;
}

/** Signs a root with its own key: CA:true, keyCertSign + cRLSign. */
export function createSelfSignedRoot(keys: KeyPair, template: RootTemplate): Result<Certificate, Refusal> {
  return parseCertificate(signCertificate(rootBody(keys.publicKey, template), localSigner(keys.privateKey)));
}

/** As `createSelfSignedRoot`, by a signer whose key may be elsewhere. */
export async function createRootBy(signer: Signer, template: RootTemplate): Promise<Result<Certificate, Refusal>> {
  return parseCertificate(await signCertificate(rootBody(signer.publicKey, template), signer));
}

function rootBody(publicKey: KeyObject, template: RootTemplate) {
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  const name = sequence(der(TAG.set, sequence(oid(OID.organization), der(TAG.utf8String, Buffer.from(template.organization, 'utf8')))));
  return {
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
}

/** A CA's public part as it is stored, PEM texts. */
export interface AuthorityCertificates {
  readonly certificate: string;
  readonly chain?: string;
  readonly root?: string;
}

/** Reads and checks a CA as it is stored: the certificate must be a CA's, and the key its own. */
export function loadAuthority(pem: AuthorityCertificates & { readonly privateKey: string }): Result<Authority, Refusal> {
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(pem.privateKey);
  } catch {
    // The cause could quote key material.
    return refuse('E_CA_KEY', "the CA's private key cannot be read; it must be PEM, without a passphrase");
  }
  return authorityOf(pem, localSigner(privateKey));
}

/** As `loadAuthority`, for a key that a key manager holds. */
export function authorityOf<S extends Signer>(pem: AuthorityCertificates, signer: S): Result<Authority<S>, Refusal> {
  const certificates = parseCertificates(pem.certificate);
  if (!certificates.ok) return certificates;
  const [certificate] = certificates.value;
  if (certificate === undefined) return refuse('E_PEM', 'there is no CA certificate');
  if (certificate.extensions.basicConstraints?.ca !== true)
    return refuse('E_CERTIFICATE', "the CA's certificate has no CA:true basic constraint");
  if (certificate.extensions.keyUsage?.usages.has('keyCertSign') !== true) {
    return refuse('E_CERTIFICATE', "the CA's certificate lacks the key usage keyCertSign");
  }
  const own = signer.publicKey.export({ format: 'der', type: 'spki' });
  if (!own.equals(certificate.spki)) return refuse('E_CA_KEY', "the CA's private key does not belong to its certificate");
  let intermediates: Certificate[] = [];
  if (pem.chain !== undefined && pem.chain.trim() !== '') {
    const chain = parseCertificates(pem.chain);
    if (!chain.ok) return chain;
    intermediates = chain.value.filter((link) => !isSelfIssued(link));
  }
  const rootPem = pem.root === undefined || pem.root.trim() === '' ? certificatePem(certificate) : pem.root;
  const roots = parseCertificates(rootPem);
  if (!roots.ok) return roots;
  return ok({ certificate, signer, intermediates, rootPem: roots.value.map(certificatePem).join('') });
}

/** What follows a leaf of that signer, worth keeping: it is the same for each. */
const chains = new WeakMap<Authority<Signer>, readonly string[]>();

/** What `CreateCertificate` answers: the leaf, each intermediate, then the root bundle as one element. */
export function certificateChain(authority: Authority<Signer>, leaf: { readonly der: Uint8Array }): string[] {
  let rest = chains.get(authority);
  if (rest === undefined) {
    const { certificate, intermediates, rootPem } = authority;
    const between = isSelfIssued(certificate) ? [] : [certificate, ...intermediates.filter((link) => !sameDer(link, certificate))];
    rest = [...between.map(certificatePem), rootPem];
    chains.set(authority, rest);
  }
  return [certificatePem(leaf), ...rest];
}

function isSelfIssued(certificate: Certificate): boolean {
  return Buffer.from(certificate.subject).equals(certificate.issuer);
}

function sameDer(a: Certificate, b: Certificate): boolean {
  return Buffer.from(a.der).equals(b.der);
}
