import { type Certificate, certificatePem, parseCertificates, unwrap } from '@xebec/identity';
import { type Rotation, trusted } from '../rotation/rotation.ts';
import { fingerprint, type SigningRoot } from './signing-root.ts';

/** What everybody is to trust now. */
export interface TrustedBundle {
  readonly version: number;
  /** Without duplicates, the root of the signer first. */
  readonly roots: readonly Certificate[];
  readonly rootPem: string;
  /** SHA-256 of each root, hex. */
  readonly fingerprints: ReadonlySet<string>;
  /** Revocation lists in force, PEM. */
  readonly crlPem: string;
}

/** Joins the roots of every signer that the rotation wants trusted. */
export function trustedBundle(
  rotation: Rotation,
  signers: ReadonlyMap<string, SigningRoot>,
  crlPem: string,
  extraRootPem = '',
): TrustedBundle {
  const byDer = new Map<string, Certificate>();
  for (const id of trusted(rotation)) {
    for (const root of signers.get(id)?.roots ?? []) byDer.set(Buffer.from(root.der).toString('base64'), root);
  }
  const extra = extraRootPem === '' ? [] : unwrap(parseCertificates(extraRootPem));
  for (const root of extra) byDer.set(Buffer.from(root.der).toString('base64'), root);
  const roots = [...byDer.values()];
  return {
    version: rotation.bundleVersion,
    roots,
    rootPem: roots.map(certificatePem).join(''),
    fingerprints: new Set(roots.map(fingerprint)),
    crlPem,
  };
}
