import { createHash } from 'node:crypto';
import { type Certificate, parseCertificates } from '@xebec/identity';

/** SHA-256 of the DER, as trust reports name roots. */
export function fingerprintOf(certificate: Pick<Certificate, 'der'>): Buffer {
  return createHash('sha256').update(certificate.der).digest();
}

/**
 * Which of these roots a chain (PEM, leaf first) leads to, the newest first: several where a root was made anew with the same name and
 * key. Empty when it leads to none, or cannot be read.
 */
export function issuingRoots(chainPem: string, rootPems: readonly string[]): Certificate[] {
  const chain = parseCertificates(chainPem);
  const top = chain.ok ? chain.value.at(-1) : undefined;
  if (top === undefined) return [];
  const known = new Map<string, Certificate>();
  for (const pem of rootPems) {
    const roots = parseCertificates(pem);
    for (const root of roots.ok ? roots.value : []) known.set(fingerprintOf(root).toString('hex'), root);
  }
  return [...known.values()]
    .filter((root) => Buffer.from(root.subject).equals(top.issuer) && top.signedBy(root.publicKey))
    .sort((a, b) => b.notBefore - a.notBefore);
}
