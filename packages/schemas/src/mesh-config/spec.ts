import { z } from 'zod';
import { clientTls, connectionPool, localityLbSetting, trafficPolicy } from '../destination-rule/spec.ts';
import { duration, int32, portNumber, stringMap, uint32 } from '../fields.ts';
import { outboundTrafficPolicy } from '../sidecar/spec.ts';
import { httpRetries } from '../virtual-service/spec.ts';
import { extensionProvider } from './extension-provider.ts';
import { connectionSettings, gatewayTopology, proxyHeaders } from './proxy-http.ts';

/** Accepted and kept, not executed; the reference page says so. */
const kept = z.unknown().optional();

const customTag = z.strictObject({
  literal: z.strictObject({ value: z.string() }).optional(),
  environment: z.strictObject({ name: z.string(), defaultValue: z.string().optional() }).optional(),
  header: z.strictObject({ name: z.string(), defaultValue: z.string().optional() }).optional(),
});

/** An HTTPRetry as far as it concerns what comes in. */
const inboundRetry = z.strictObject({
  attempts: int32.optional(),
  perTryTimeout: duration.optional(),
  retryOn: z.string().optional(),
  retryRemoteLocalities: z.boolean().optional(),
  retryIgnorePreviousHosts: z.boolean().optional(),
  backoff: duration.optional(),
});

const tlsDefaults = z.strictObject({
  minProtocolVersion: z.enum(['TLS_AUTO', 'TLSV1_2', 'TLSV1_3']).optional(),
  ecdhCurves: z.array(z.string()).optional(),
  cipherSuites: z.array(z.string()).optional(),
});

export const meshProxyConfig = z.strictObject({
  configPath: z.string().optional(),
  binaryPath: z.string().optional(),
  serviceCluster: z.string().optional(),
  drainDuration: duration.optional(),
  terminationDrainDuration: duration.optional(),
  discoveryAddress: z.string().optional(),
  proxyAdminPort: portNumber.optional(),
  statusPort: z.int().min(0).max(65535).optional(),
  concurrency: int32.min(0).optional(),
  holdApplicationUntilProxyStarts: z.boolean().optional(),
  interceptionMode: z.enum(['REDIRECT', 'TPROXY', 'NONE']).optional(),
  proxyMetadata: stringMap.optional(),
  tracing: z
    .strictObject({
      zipkin: z.strictObject({ address: z.string() }).optional(),
      sampling: z.number().min(0).max(100).optional(),
      customTags: z.record(z.string(), customTag).optional(),
      enableIstioTags: z.boolean().optional(),
      maxPathTagLength: uint32.optional(),
      tlsSettings: clientTls.optional(),
      openCensusAgent: kept,
      lightstep: kept,
      datadog: kept,
      stackdriver: kept,
    })
    .optional(),
  proxyHeaders: proxyHeaders.optional(),
  connectionSettings: connectionSettings.optional(),
  readinessProbe: kept,
  image: kept,
  controlPlaneAuthPolicy: z.string().optional(),
  customConfigFile: z.string().optional(),
  statNameLength: int32.optional(),
  envoyAccessLogService: kept,
  envoyMetricsService: kept,
  statsdUdpAddress: z.string().optional(),
  extraStatTags: z.array(z.string()).optional(),
  proxyStatsMatcher: kept,
  gatewayTopology: gatewayTopology.optional(),
  caCertificatesPem: z.array(z.string()).optional(),
  privateKeyProvider: kept,
  availabilityZone: z.string().optional(),
  meshId: z.string().optional(),
  runtimeValues: stringMap.optional(),
  zipkinAddress: z.string().optional(),
  fileFlushInterval: duration.optional(),
  fileFlushMinSizeKb: uint32.optional(),
  statsCompression: z.boolean().optional(),
  tracingServiceName: z.enum(['APP_LABEL_AND_NAMESPACE', 'CANONICAL_NAME_ONLY', 'CANONICAL_NAME_AND_NAMESPACE']).optional(),
  sds: kept,
  proxyBootstrapTemplatePath: kept,
  discoveryRefreshDelay: kept,
  envoyMetricsServiceAddress: kept,
});

export const meshConfig = z.strictObject({
  proxyListenPort: portNumber.optional(),
  proxyInboundListenPort: portNumber.optional(),
  proxyHttpPort: z.int().min(0).max(65535).optional(),
  connectTimeout: duration.optional(),
  protocolDetectionTimeout: duration.optional(),
  dnsRefreshRate: duration.optional(),
  outboundTrafficPolicy: outboundTrafficPolicy.optional(),
  inboundTrafficPolicy: z.strictObject({ mode: z.enum(['PASSTHROUGH', 'LOCALHOST']).optional() }).optional(),
  enableAutoMtls: z.boolean().optional(),
  enableTracing: z.boolean().optional(),
  enablePrometheusMerge: z.boolean().optional(),
  trustDomain: z.string().optional(),
  trustDomainAliases: z.array(z.string()).optional(),
  rootNamespace: z.string().optional(),
  accessLogFile: z.string().optional(),
  accessLogFormat: z.string().optional(),
  accessLogEncoding: z.enum(['TEXT', 'JSON']).optional(),
  defaultConfig: meshProxyConfig.optional(),
  defaultProviders: z
    .strictObject({
      tracing: z.array(z.string()).optional(),
      metrics: z.array(z.string()).optional(),
      accessLogging: z.array(z.string()).optional(),
    })
    .optional(),
  extensionProviders: z.array(extensionProvider).optional(),
  defaultServiceExportTo: z.array(z.string()).optional(),
  defaultVirtualServiceExportTo: z.array(z.string()).optional(),
  defaultDestinationRuleExportTo: z.array(z.string()).optional(),
  defaultHttpRetryPolicy: httpRetries.optional(),
  defaultInboundHttpRetryPolicy: inboundRetry.optional(),
  defaultTrafficPolicy: trafficPolicy.optional(),
  localityLbSetting: localityLbSetting.optional(),
  ingressService: z.string().optional(),
  ingressClass: z.string().optional(),
  ingressControllerMode: z.string().optional(),
  ingressSelector: z.string().optional(),
  tcpKeepalive: connectionPool.shape.tcp.unwrap().shape.tcpKeepalive,
  pathNormalization: z
    .strictObject({ normalization: z.enum(['DEFAULT', 'NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES']).optional() })
    .optional(),
  meshMTLS: tlsDefaults.optional(),
  tlsDefaults: tlsDefaults.optional(),
  h2UpgradePolicy: z.enum(['DO_NOT_UPGRADE', 'UPGRADE']).optional(),
  inboundClusterStatName: z.string().optional(),
  outboundClusterStatName: z.string().optional(),
  verifyCertificateAtClient: z.boolean().optional(),
  discoverySelectors: kept,
  configSources: kept,
  caCertificates: z.array(z.looseObject({ trustDomains: z.array(z.string()).optional() })).optional(),
  certificates: kept,
  ca: kept,
  serviceSettings: z
    .array(
      z.looseObject({
        settings: z.looseObject({ clusterLocal: z.boolean().optional() }).optional(),
        hosts: z.array(z.string()).optional(),
      }),
    )
    .optional(),
  serviceScopeConfigs: kept,
  serviceEntryVisibility: kept,
  hboneIdleTimeout: duration.optional(),
  enableEnvoyAccessLogService: z.boolean().optional(),
  disableEnvoyListenerLog: z.boolean().optional(),
  networks: kept,
  /** Xebec's own, from the Mixer era: `host:port` of the Mixer that answers checks; empty: none. */
  mixerCheckServer: z.string().optional(),
  mixerReportServer: z.string().optional(),
  policyCheckFailOpen: z.boolean().optional(),
  disablePolicyChecks: z.boolean().optional(),
  disableMixerHttpReports: z.boolean().optional(),
  /** Callers' proxies ask too. */
  enableClientSidePolicyCheck: z.boolean().optional(),
  /** All reports of one proxy go to one Mixer. */
  sidecarToTelemetrySessionAffinity: z.boolean().optional(),
  reportBatchMaxEntries: uint32.optional(),
  reportBatchMaxTime: duration.optional(),
});

export type MeshConfig = z.infer<typeof meshConfig>;
export type MeshProxyConfig = z.infer<typeof meshProxyConfig>;

/** Istio's defaults (mesh-wide configuration reference). */
export const defaultMeshConfig = {
  proxyListenPort: 15001,
  proxyInboundListenPort: 15006,
  proxyHttpPort: 0,
  connectTimeout: '10s',
  protocolDetectionTimeout: '0s',
  dnsRefreshRate: '60s',
  outboundTrafficPolicy: { mode: 'ALLOW_ANY' },
  inboundTrafficPolicy: { mode: 'PASSTHROUGH' },
  enableAutoMtls: true,
  enableTracing: true,
  enablePrometheusMerge: true,
  trustDomain: 'cluster.local',
  trustDomainAliases: [],
  rootNamespace: 'istio-system',
  accessLogFile: '',
  accessLogFormat: '',
  accessLogEncoding: 'TEXT',
  defaultServiceExportTo: ['*'],
  defaultVirtualServiceExportTo: ['*'],
  defaultDestinationRuleExportTo: ['*'],
  extensionProviders: [
    { name: 'prometheus', prometheus: {} },
    { name: 'envoy', envoyFileAccessLog: { path: '/dev/stdout' } },
  ],
  defaultConfig: {
    drainDuration: '45s',
    terminationDrainDuration: '5s',
    discoveryAddress: 'istio-pilot.istio-system.svc:15012',
    proxyAdminPort: 15000,
    statusPort: 15020,
  },
} as const satisfies MeshConfig;
