import { createHash } from 'node:crypto';
import { ok, type Result } from '@xebec/core';
import {
  type Authority,
  authorityOf,
  type Certificate,
  loadAuthority,
  parseCertificates,
  type Refusal,
  type Signer,
} from '@xebec/identity';
import type { AuthorityPem } from '../authority-store.ts';

/** A signer that was checked wholly: its certificate leads to a root of its bundle, and its key is its own. */
export interface SigningRoot {
  /** SHA-256 of the signing certificate, hex. */
  readonly id: string;
  readonly pem: AuthorityPem;
  readonly authority: Authority<Signer>;
  /** SHA-256 of the root that the signing certificate leads to, hex. */
  readonly anchor: string;
  /** Every root of its bundle, the anchor included. */
  readonly roots: readonly Certificate[];
}

const MAX_CHAIN = 8;

export function fingerprint(certificate: Pick<Certificate, 'der'>): string {
  return createHash('sha256').update(certificate.der).digest('hex');
}

/**
 * Reads a CA: key and certificate match, the chain leads to a root of the bundle, every link may sign, nothing is out of its time. `key`
 * stands for the private key of the PEM where that is elsewhere.
 */
export function readSigningRoot(pem: AuthorityPem, now: number, key?: Signer): Result<SigningRoot, Refusal> {
  const loaded: Result<Authority<Signer>, Refusal> = key === undefined ? loadAuthority(pem) : authorityOf(pem, key);
  if (!loaded.ok) return loaded;
  const authority = loaded.value;
  const selfIssued = Buffer.from(authority.certificate.subject).equals(authority.certificate.issuer);
  if (!selfIssued && (pem.root ?? '').trim() === '')
    return refusal('an intermediate CA needs its root: root-cert.pem (or ca.crt) is missing');
  const roots = parseCertificates(authority.rootPem);
  if (!roots.ok) return roots;
  const anchor = anchorOf(authority.certificate, authority.intermediates, roots.value, now);
  if (!anchor.ok) return anchor;
  return ok({
    id: fingerprint(authority.certificate),
    pem,
    authority,
    anchor: fingerprint(anchor.value),
    roots: roots.value,
  });
}

/** The root that a CA certificate leads to. */
function anchorOf(
  signer: Certificate,
  intermediates: readonly Certificate[],
  roots: readonly Certificate[],
  now: number,
): Result<Certificate, Refusal> {
  let current = signer;
  for (let depth = 0; depth < MAX_CHAIN; depth++) {
    const late = outOfTime(current, depth === 0 ? 'the CA certificate' : 'an intermediate certificate', now);
    if (late !== undefined) return late;
    const itself = roots.find((root) => Buffer.from(root.der).equals(current.der));
    if (itself !== undefined) return ok(itself);
    const root = roots.find((candidate) => mayHaveSigned(candidate, current, depth));
    if (root !== undefined) return outOfTime(root, 'the root certificate', now) ?? ok(root);
    const next = intermediates.find((candidate) => candidate !== current && mayHaveSigned(candidate, current, depth));
    if (next === undefined) {
      return refusal('the CA certificate does not lead to a root of root-cert.pem; cert-chain.pem must hold what stands between');
    }
    current = next;
  }
  return refusal(`more than ${MAX_CHAIN} certificates stand between the CA and its root`);
}

/** `below` counts the CA certificates under `subject`, itself not counted. */
function mayHaveSigned(issuer: Certificate, subject: Certificate, below: number): boolean {
  const { basicConstraints, keyUsage, unknownCritical } = issuer.extensions;
  return (
    basicConstraints?.ca === true &&
    (basicConstraints.pathLength === undefined || basicConstraints.pathLength >= below + 1) &&
    (keyUsage === undefined || keyUsage.usages.has('keyCertSign')) &&
    unknownCritical.length === 0 &&
    Buffer.from(issuer.subject).equals(subject.issuer) &&
    subject.signedBy(issuer.publicKey)
  );
}

function outOfTime(certificate: Certificate, what: string, now: number): ReturnType<typeof refusal> | undefined {
  const time = (ms: number) => new Date(ms).toISOString();
  if (certificate.notAfter <= now)
    return { ok: false, error: { code: 'E_CA_EXPIRED', message: `${what} expired at ${time(certificate.notAfter)}` } };
  if (certificate.notBefore > now) return refusal(`${what} is valid only from ${time(certificate.notBefore)}`);
  return undefined;
}

function refusal(message: string): { readonly ok: false; readonly error: Refusal } {
  return { ok: false, error: { code: 'E_CERTIFICATE', message } };
}
