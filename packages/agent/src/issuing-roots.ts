import { createHash } from 'node:crypto';
import { type Certificate, parseCertificates } from '@xebec/identity';

/** SHA-256 of the DER, as trust reports name roots. */
export function fingerprintOf(certificate: Pick<Certificate, 'der'>): Buffer {
  return createHash('sha256').update(certificate.der).digest();
}

/** Roots are the same in report after report; parsing one costs a tenth of a millisecond. */
const parsed = new Map<string, readonly Certificate[]>();
const MAX_PARSED = 64;

/** The certificates of a PEM text; none where it cannot be read. */
export function certificatesOf(pem: string): readonly Certificate[] {
  const known = parsed.get(pem);
  if (known !== undefined) return known;
  const read = parseCertificates(pem);
  const certificates = read.ok ? read.value : [];
  if (parsed.size >= MAX_PARSED) parsed.clear();
  parsed.set(pem, certificates);
  return certificates;
}

/**
 * Which of these roots a chain (PEM, leaf first) leads to, the newest first: several where a root was made anew with the same name and
 * key. Empty when it leads to none, or cannot be read.
 */
export function issuingRoots(chainPem: string, rootPems: readonly string[]): Certificate[] {
  const top = certificatesOf(chainPem).at(-1);
  if (top === undefined) return [];
  const known = new Map<string, Certificate>();
  for (const pem of rootPems) {
    for (const root of certificatesOf(pem)) known.set(fingerprintOf(root).toString('hex'), root);
  }
  return [...known.values()]
    .filter((root) => Buffer.from(root.subject).equals(top.issuer) && top.signedBy(root.publicKey))
    .sort((a, b) => b.notBefore - a.notBefore);
}
