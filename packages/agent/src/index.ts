export { type AdsRelayOptions, createAdsRelay } from './ads-relay.ts';
export { type CertificateClientOptions, certificateClient, type SignCsr } from './certificate-client.ts';
export {
  type CertificateManager,
  type CertificateManagerOptions,
  createCertificateManager,
  type WorkloadCertificate,
} from './certificate-manager.ts';
export { peerIdentity } from './peer-identity.ts';
export { createSdsServer, type SdsServer } from './sds-server.ts';
export { keepFresh, liveTlsOptions, serverCredentials } from './server-credentials.ts';
