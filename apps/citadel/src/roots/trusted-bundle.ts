import { type Certificate, certificatePem } from '@xebec/identity';
import { type Rotation, trusted } from '../rotation/rotation.ts';
import type { SigningRoot } from './signing-root.ts';

/** What everybody is to trust now. */
export interface TrustedBundle {
  readonly version: number;
  /** Without duplicates, the root of the signer first. */
  readonly roots: readonly Certificate[];
  readonly rootPem: string;
  /** Revocation lists in force, PEM. */
  readonly crlPem: string;
}

/** Joins the roots of every signer that the rotation wants trusted. */
export function trustedBundle(rotation: Rotation, signers: ReadonlyMap<string, SigningRoot>, crlPem: string): TrustedBundle {
  const byDer = new Map<string, Certificate>();
  for (const id of trusted(rotation)) {
    for (const root of signers.get(id)?.roots ?? []) byDer.set(Buffer.from(root.der).toString('base64'), root);
  }
  const roots = [...byDer.values()];
  return { version: rotation.bundleVersion, roots, rootPem: roots.map(certificatePem).join(''), crlPem };
}
