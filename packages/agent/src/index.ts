export { type AdsRelayOptions, createAdsRelay } from './ads-relay.ts';
export { type CaConnectionOptions, caConnection, serverNameOption } from './ca-connection.ts';
export { type CaptureCommandOptions, runCaptureCommand } from './capture/capture-command.ts';
export { ALARM_LEVELS, type AlarmLevel, alarmOf, type CalendarEntry, calendarEntries, lifeUsedOf } from './certificate-calendar.ts';
export { CertificateAlarms } from './certificate-calendar-alarms.ts';
export { type CertificateClientOptions, certificateClient, type SignCsr } from './certificate-client.ts';
export {
  type CertificateManager,
  type CertificateManagerOptions,
  type CertificateStatistics,
  createCertificateManager,
  type WorkloadCertificate,
} from './certificate-manager.ts';
export { channelCredentials } from './channel-credentials.ts';
export { type ClockWatch, createClockWatch } from './clock-watch.ts';
export { type DrainPolicy, drained, drainPolicy } from './drain-policy.ts';
export { type EnvoyProcess, type EnvoyProcessOptions, runEnvoy } from './envoy-process.ts';
export {
  authoritiesOfMesh,
  createFederation,
  type FederatedBundle,
  type Federation,
  type TrustAuthority,
} from './federation/federation.ts';
export { checkBundleUrl, type EndpointProfile, fetchBundle } from './federation/fetch-bundle.ts';
export { type McpPeer, mcpPeer, mcpPeerOptions } from './mcp-peer.ts';
export { peerIdentity } from './peer-identity.ts';
export { adminReadiness, type DataPlaneReadiness } from './readiness.ts';
export { createSdsServer, type SdsServer } from './sds-server.ts';
export { keepFresh, liveTlsOptions, serverCredentials } from './server-credentials.ts';
export { type Agent, type AgentOptions, startAgent } from './start-agent.ts';
export { createStatusServer, type StatusServer, type StatusServerOptions } from './status-server.ts';
export type { TrustConsumer } from './trust-consumers.ts';
export { createTrustStore, type DomainTrust, ownRoots, type TrustSnapshot, type TrustSource, type TrustStore } from './trust-store.ts';
export { followTrust, type TrustStream, type TrustStreamOptions } from './trust-stream.ts';
export { cachedJwtSvids, type IssuedToken, jwtSvidClient, type SignJwtSvid } from './workload-api/jwt-svid-client.ts';
export { startWorkloadApi, type WorkloadApiOptions, workloadApiSettings } from './workload-api/start-workload-api.ts';
export { startIdentity, type WorkloadIdentity, type WorkloadIdentityOptions } from './workload-identity.ts';
