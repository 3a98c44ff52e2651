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

/** A report is made at each change, and few of them change the chain: its signature is checked once. */
const found = new WeakMap<object, { readonly roots: string; readonly issuing: readonly Certificate[] }>();

/**
 * Which of these roots a certificate's chain (PEM, leaf first) leads to, the newest first: several where a root was made anew with the
 * same name and key. Empty when it leads to none, or cannot be read.
 */
export function issuingRoots(held: { readonly certificateChainPem: string }, rootPems: readonly string[]): readonly Certificate[] {
  const roots = [...new Set(rootPems)].join('');
  const known = found.get(held);
  if (known?.roots === roots) return known.issuing;
  const issuing = findIssuing(held.certificateChainPem, rootPems);
  found.set(held, { roots, issuing });
  return issuing;
}

function findIssuing(chainPem: string, rootPems: readonly string[]): Certificate[] {
  const chain = parseCertificates(chainPem);
  const top = chain.ok ? chain.value.at(-1) : undefined;
  if (top === undefined) return [];
  const known = new Map<string, Certificate>();
  for (const pem of rootPems) {
    for (const root of certificatesOf(pem)) known.set(fingerprintOf(root).toString('hex'), root);
  }
  return [...known.values()]
    .filter((root) => Buffer.from(root.subject).equals(top.issuer) && top.signedBy(root.publicKey))
    .sort((a, b) => b.notBefore - a.notBefore);
}
