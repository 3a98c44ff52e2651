import { z } from 'zod';
import { clientTls, connectionPool, trafficPolicy } from '../destination-rule/spec.ts';
import { duration, int32, portNumber, stringMap, uint32 } from '../fields.ts';
import { outboundTrafficPolicy } from '../sidecar/spec.ts';

/** Accepted and kept, not executed; the reference page says so. */
const kept = z.unknown().optional();
const grpcOrHttpService = { service: z.string(), port: portNumber };

const extensionProvider = z.strictObject({
  name: z.string(),
  prometheus: z.strictObject({}).optional(),
  stackdriver: kept,
  zipkin: z
    .strictObject({
      ...grpcOrHttpService,
      maxTagLength: uint32.optional(),
      enable64bitTraceId: z.boolean().optional(),
      path: z.string().optional(),
      timeout: duration.optional(),
      headers: kept,
      traceContextOption: z.string().optional(),
    })
    .optional(),
  opentelemetry: z
    .strictObject({
      ...grpcOrHttpService,
      maxTagLength: uint32.optional(),
      http: kept,
      grpc: kept,
      resourceDetectors: kept,
      dynatraceSampler: kept,
    })
    .optional(),
  envoyFileAccessLog: z
    .strictObject({
      path: z.string().optional(),
      logFormat: z.strictObject({ text: z.string().optional(), labels: z.record(z.string(), z.unknown()).optional() }).optional(),
      omitEmptyValues: z.boolean().optional(),
    })
    .optional(),
  envoyExtAuthzHttp: z
    .strictObject({
      ...grpcOrHttpService,
      timeout: duration.optional(),
      pathPrefix: z.string().optional(),
      failOpen: z.boolean().optional(),
      clearRouteCache: z.boolean().optional(),
      statusOnError: z.string().optional(),
      includeHeadersInCheck: z.array(z.string()).optional(),
      includeRequestHeadersInCheck: z.array(z.string()).optional(),
      includeAdditionalHeadersInCheck: stringMap.optional(),
      includeRequestBodyInCheck: kept,
      headersToUpstreamOnAllow: z.array(z.string()).optional(),
      headersToDownstreamOnDeny: z.array(z.string()).optional(),
      headersToDownstreamOnAllow: z.array(z.string()).optional(),
    })
    .optional(),
  envoyExtAuthzGrpc: z
    .strictObject({
      ...grpcOrHttpService,
      timeout: duration.optional(),
      failOpen: z.boolean().optional(),
      clearRouteCache: z.boolean().optional(),
      statusOnError: z.string().optional(),
      includeRequestBodyInCheck: kept,
    })
    .optional(),
  envoyHttpAls: kept,
  envoyTcpAls: kept,
  envoyOtelAls: kept,
  datadog: kept,
  lightstep: kept,
  opencensus: kept,
  skywalking: kept,
  sds: kept,
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
      customTags: kept,
      maxPathTagLength: uint32.optional(),
      tlsSettings: clientTls.optional(),
      openCensusAgent: kept,
      lightstep: kept,
      datadog: kept,
      stackdriver: kept,
    })
    .optional(),
  proxyHeaders: kept,
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
  gatewayTopology: z
    .strictObject({ numTrustedProxies: uint32.optional(), forwardClientCertDetails: z.string().optional(), proxyProtocol: kept })
    .optional(),
  caCertificatesPem: z.array(z.string()).optional(),
  privateKeyProvider: kept,
  availabilityZone: z.string().optional(),
  meshId: z.string().optional(),
  runtimeValues: stringMap.optional(),
  zipkinAddress: z.string().optional(),
  fileFlushInterval: duration.optional(),
  fileFlushMinSizeKb: uint32.optional(),
  statsCompression: z.boolean().optional(),
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
  defaultHttpRetryPolicy: kept,
  defaultInboundHttpRetryPolicy: kept,
  defaultTrafficPolicy: trafficPolicy.optional(),
  localityLbSetting: kept,
  ingressService: z.string().optional(),
  ingressClass: z.string().optional(),
  ingressControllerMode: z.string().optional(),
  ingressSelector: z.string().optional(),
  tcpKeepalive: connectionPool.shape.tcp.unwrap().shape.tcpKeepalive,
  pathNormalization: z
    .strictObject({ normalization: z.enum(['DEFAULT', 'NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES']).optional() })
    .optional(),
  meshMTLS: z
    .strictObject({
      minProtocolVersion: z.string().optional(),
      ecdhCurves: z.array(z.string()).optional(),
      cipherSuites: z.array(z.string()).optional(),
    })
    .optional(),
  tlsDefaults: kept,
  h2UpgradePolicy: z.enum(['DO_NOT_UPGRADE', 'UPGRADE']).optional(),
  inboundClusterStatName: z.string().optional(),
  outboundClusterStatName: z.string().optional(),
  verifyCertificateAtClient: z.boolean().optional(),
  discoverySelectors: kept,
  configSources: kept,
  caCertificates: kept,
  certificates: kept,
  ca: kept,
  serviceSettings: kept,
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
});

export type MeshConfig = z.infer<typeof meshConfig>;
export type MeshProxyConfig = z.infer<typeof meshProxyConfig>;
export type ExtensionProvider = z.infer<typeof extensionProvider>;

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
