export { type Certificate, certificatePem, parseCertificate, parseCertificates } from './certificate.ts';
export {
  type Authority,
  certificateChain,
  certificateTtlMs,
  createSelfSignedRoot,
  issueLeaf,
  type LeafTemplate,
  loadAuthority,
  type RootTemplate,
  type TtlPolicy,
} from './certificate-policy.ts';
export { type CertificateRequest, createCsr, MAX_CSR_BYTES, parseCsr } from './csr.ts';
export type { CertificateExtensions, KeyUsage, SubjectAltNames } from './extensions.ts';
export { generateKeys, KEY_TYPES, type KeyPair, type KeyType } from './keys.ts';
export { decodePem, encodePem } from './pem.ts';
export { type Refusal, type RefusalCode, unwrap } from './refusal.ts';
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
