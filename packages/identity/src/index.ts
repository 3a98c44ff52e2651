export {
  type Authority,
  type AuthorityCertificates,
  authorityOf,
  certificateChain,
  createRootBy,
  createSelfSignedRoot,
  loadAuthority,
  type RootTemplate,
} from './authority.ts';
export { type BundleDocument, MAX_BUNDLE_BYTES, parseBundle, renderBundle } from './bundle/bundle-document.ts';
export { type BundleFollower, type BundleFollowerOptions, type FetchBundle, followBundle } from './bundle/bundle-follower.ts';
export { type Certificate, certificatePem, parseCertificate, parseCertificates } from './certificate.ts';
export { type CertificateBody, signCertificate } from './certificate-body.ts';
export { type CertificateRequest, createCsr, MAX_CSR_BYTES, parseCsr } from './csr.ts';
export { type RequestedNames, requestedNames } from './csr-extensions.ts';
export type { CertificateExtensions, KeyUsage, SubjectAltNames } from './extensions.ts';
export { audienceRefusal, issueJwtSvid, type JwtSvid, type JwtSvidTemplate, jwtTtlMs } from './jwt-svid/issue.ts';
export { type KeyRingPolicy, type KeyRingStep, type RingKey, signingKey, stepKeyRing } from './jwt-svid/key-ring.ts';
export { type JwtKey, jwkOf, jwtKeySet, parseJwtKey, parseJwtKeySet } from './jwt-svid/key-set.ts';
export { type JwtSvidRules, type ValidJwtSvid, validateJwtSvid } from './jwt-svid/validate.ts';
export { generateKeys, KEY_TYPES, type KeyPair, type KeyType, signerAlgorithm } from './keys.ts';
export { certificateTtlMs, type IssuedLeaf, issueLeaf, type LeafTemplate, type TtlPolicy } from './leaf.ts';
export { decodePem, encodePem } from './pem.ts';
export { type Refusal, type RefusalCode, unwrap } from './refusal.ts';
export {
  checkRevocationList,
  createRevocationList,
  parseRevocationLists,
  type RevocationList,
  type RevocationListTemplate,
  readRevocationList,
  revocationListPem,
} from './revocation/crl.ts';
export { type LocalSigner, localSigner, type Signer } from './signer.ts';
export {
  parseServiceAccountPath,
  parseSpiffeId,
  parseTrustDomain,
  type SpiffeId,
  type SpiffeIdParts,
  serviceAccountId,
  type TrustDomain,
} from './spiffe-id.ts';
export { bundleOf, checkSvidLeaf, type TrustBundles, validateX509Svid } from './svid.ts';
export { type CompactToken, readCompactToken } from './token/compact-token.ts';
export { parseVerificationKeys, type VerificationKey } from './token/verification-keys.ts';
export { type TokenRules, type VerifiedToken, verifyToken } from './token/verify-token.ts';
export { type ForwardedCertificate, parseXfcc } from './xfcc.ts';
