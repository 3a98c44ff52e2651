import type { Result } from '@xebec/core';
import type { Certificate } from './certificate.ts';
import { isSignatureAlgorithm } from './keys.ts';
import { OID } from './oids.ts';
import { quoted, type Refusal, refuse } from './refusal.ts';
import { parseSpiffeId, type SpiffeIdParts } from './spiffe-id.ts';

/** Trusted roots by trust domain. */
export type TrustBundles = ReadonlyMap<string, readonly Certificate[]>;

const MAX_CHAIN = 8;

/** The rules that SPIFFE X509-SVID sets for a leaf by itself, without its chain or the time. */
export function checkSvidLeaf(leaf: Certificate): Result<SpiffeIdParts, Refusal> {
  const { extensions } = leaf;
  const names = extensions.subjectAltNames;
  const uris = names?.uris ?? [];
  const [uri] = uris;
  if (uri === undefined || uris.length !== 1) {
    return refuse('E_SVID_URI_SAN', `an X509-SVID has exactly one URI SAN, this certificate has ${uris.length}`);
  }
  const id = parseSpiffeId(uri);
  if (!id.ok) return id;
  if (extensions.basicConstraints?.ca === true) return refuse('E_SVID_CA', `the certificate of ${quoted(uri)} is a CA's, not a workload's`);
  if (id.value.path === '') return refuse('E_SVID_PATH', `${quoted(uri)} names a trust domain, a workload's ID has a path`);
  const usage = extensions.keyUsage;
  if (usage === undefined || !usage.critical || !usage.usages.has('digitalSignature')) {
    return refuse('E_SVID_KEY_USAGE', `the certificate of ${quoted(uri)} lacks the critical key usage digitalSignature`);
  }
  if (usage.usages.has('keyCertSign') || usage.usages.has('cRLSign')) {
    return refuse('E_SVID_KEY_USAGE', `the certificate of ${quoted(uri)} has the key usage keyCertSign or cRLSign, which are a CA's`);
  }
  const purposes = extensions.extendedKeyUsage;
  if (purposes !== undefined && !(purposes.includes(OID.serverAuth) && purposes.includes(OID.clientAuth))) {
    return refuse('E_SVID_EXTENDED_KEY_USAGE', `the certificate of ${quoted(uri)} must be for both serverAuth and clientAuth`);
  }
  if (leaf.subjectEmpty && names?.critical !== true) {
    return refuse('E_SVID_SUBJECT', `the certificate of ${quoted(uri)} has an empty subject, so its SAN extension must be critical`);
  }
  if (extensions.unknownCritical.length > 0) {
    return refuse('E_CERTIFICATE', `the certificate of ${quoted(uri)} has the unknown critical extension ${extensions.unknownCritical[0]}`);
  }
  return id;
}

/** Checks a chain (leaf first) against the bundle of the leaf's own trust domain at `now`, in milliseconds since the epoch. */
export function validateX509Svid(chain: readonly Certificate[], bundles: TrustBundles, now: number): Result<SpiffeIdParts, Refusal> {
  const [leaf, ...rest] = chain;
  if (leaf === undefined || chain.length > MAX_CHAIN)
    return refuse('E_SVID_CHAIN', `a chain has 1 to ${MAX_CHAIN} certificates, this has ${chain.length}`);
  const id = checkSvidLeaf(leaf);
  if (!id.ok) return id;
  const roots = bundles.get(id.value.trustDomain);
  if (roots === undefined) return refuse('E_SVID_TRUST_DOMAIN', `no trust bundle is known for the trust domain ${id.value.trustDomain}`);
  let current = leaf;
  let reason = '';
  for (let depth = 0; depth <= rest.length; depth++) {
    const late = checkTime(current, now);
    if (late !== undefined) return late;
    const rootReasons = roots.map((root) => whyNotIssuedByRoot(root, current, depth, now));
    if (rootReasons.includes(undefined)) return id;
    const next = rest[depth];
    // Of roots only those are worth a word that have the issuer's name.
    reason = rootReasons.find((text) => text !== OTHER_NAME) ?? 'no root has the name of its issuer';
    if (next === undefined) break;
    const linkReason = whyNotIssued(next, current, depth);
    if (linkReason !== undefined) {
      reason = linkReason === OTHER_NAME ? 'the next certificate of the chain is not its issuer, by name' : linkReason;
      break;
    }
    current = next;
  }
  return refuse(
    'E_SVID_CHAIN',
    `the certificate of ${quoted(id.value.id)} does not lead to a trusted root of ${id.value.trustDomain}: ${reason}`,
  );
}

function checkTime(certificate: Certificate, now: number): ReturnType<typeof refuse> | undefined {
  if (certificate.notAfter <= now)
    return refuse('E_SVID_EXPIRED', `a certificate expired at ${new Date(certificate.notAfter).toISOString()}`);
  if (certificate.notBefore > now) {
    return refuse('E_SVID_NOT_YET_VALID', `a certificate is valid only from ${new Date(certificate.notBefore).toISOString()}`);
  }
  return undefined;
}

const OTHER_NAME = 'another name';

/** Why `issuer` cannot have signed `subject` by right, undefined when it did; `between` counts the CA certificates already below it. */
function whyNotIssued(issuer: Certificate, subject: Certificate, between: number): string | undefined {
  const { basicConstraints, keyUsage, unknownCritical } = issuer.extensions;
  if (!Buffer.from(issuer.subject).equals(subject.issuer)) return OTHER_NAME;
  if (basicConstraints?.ca !== true) return 'an issuer is no CA';
  if (keyUsage?.usages.has('keyCertSign') !== true) return 'an issuer lacks the key usage keyCertSign';
  if (basicConstraints.pathLength !== undefined && basicConstraints.pathLength < between)
    return `an issuer allows ${basicConstraints.pathLength} CA certificates below it, there are ${between}`;
  if (unknownCritical.length > 0) return `an issuer has the unknown critical extension ${unknownCritical[0]}`;
  if (!isSignatureAlgorithm(subject.signatureAlgorithm)) return `the signature algorithm ${subject.signatureAlgorithm} is not accepted`;
  return subject.signedBy(issuer.publicKey) ? undefined : 'a signature is not by the issuer';
}

function whyNotIssuedByRoot(root: Certificate, subject: Certificate, between: number, now: number): string | undefined {
  const reason = whyNotIssued(root, subject, between);
  if (reason !== undefined) return reason;
  if (root.notAfter <= now) return `the root expired at ${new Date(root.notAfter).toISOString()}`;
  return root.notBefore > now ? `the root is valid only from ${new Date(root.notBefore).toISOString()}` : undefined;
}

/** Reads trusted roots as one bundle, for `validateX509Svid`. */
export function bundleOf(trustDomain: string, roots: readonly Certificate[]): TrustBundles {
  return new Map([[trustDomain, roots]]);
}
