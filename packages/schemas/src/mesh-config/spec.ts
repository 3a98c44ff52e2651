import { z } from 'zod';
import { clientTls, connectionPool, localityLbSetting, trafficPolicy, zoneAwareLbSetting } from '../destination-rule/spec.ts';
import { duration, int32, portNumber, stringMap, uint32 } from '../fields.ts';
import { outboundTrafficPolicy } from '../sidecar/spec.ts';
import { httpRetries } from '../virtual-service/spec.ts';
import { extensionProvider } from './extension-provider.ts';
import { formerTracers, keptMeshSettings, keptProxySettings } from './kept-settings.ts';
import { connectionSettings, gatewayTopology, NO_EFFECT, proxyHeaders } from './proxy-http.ts';

const kept = z.unknown().optional().describe(NO_EFFECT);

const customTag = z.strictObject({
  literal: z
    .strictObject({ value: z.string().default('').describe('The value.') })
    .optional()
    .describe('The same value always.'),
  environment: z
    .strictObject({
      name: z.string().default('').describe('Name of the variable.'),
      defaultValue: z.string().optional().describe('Value where it is not set.'),
    })
    .optional()
    .describe('An environment variable of the proxy.'),
  header: z
    .strictObject({
      name: z.string().default('').describe('Name of the header.'),
      defaultValue: z.string().optional().describe('Value where there is none.'),
    })
    .optional()
    .describe('A header of the request.'),
});

/** An HTTPRetry as far as it concerns what comes in. */
const inboundRetry = z.strictObject({
  attempts: int32.optional().describe('How often a failed request is tried again; 0 switches retries off.'),
  perTryTimeout: duration.optional().describe('Without effect on what comes in.'),
  retryOn: z.string().optional().describe('Comma-separated conditions and status codes that are tried again.'),
  retryRemoteLocalities: z.boolean().optional().describe('Without effect on what comes in.'),
  retryIgnorePreviousHosts: z.boolean().optional().describe('Without effect on what comes in.'),
  backoff: duration.optional().describe('Least time between attempts.'),
});

const tlsDefaults = z.strictObject({
  minProtocolVersion: z.enum(['TLS_AUTO', 'TLSV1_2', 'TLSV1_3']).optional().describe('Least version of TLS.'),
  ecdhCurves: z.array(z.string()).optional().describe('Curves of the key exchange.'),
  cipherSuites: z.array(z.string()).optional().describe('Cipher suites up to TLS 1.2.'),
});

export const meshProxyConfig = z.strictObject({
  ...keptProxySettings,
  configPath: z.string().optional().describe("Folder of the proxy's generated configuration."),
  binaryPath: z.string().optional().describe(NO_EFFECT),
  serviceCluster: z.string().optional().describe('Service name of the proxy in statistics.'),
  drainDuration: duration.optional().describe(NO_EFFECT),
  terminationDrainDuration: duration.optional().describe(NO_EFFECT),
  discoveryAddress: z.string().optional().describe('host:port of the control plane.'),
  proxyAdminPort: portNumber.optional().describe(NO_EFFECT),
  statusPort: z.int().min(0).max(65535).optional().describe("Port of the agent's health and metrics; default 15020."),
  concurrency: int32.optional().describe('Worker threads of a proxy; 0: one for each core.'),
  holdApplicationUntilProxyStarts: z.boolean().optional().describe('Start the application only once the proxy is ready.'),
  interceptionMode: z
    .enum(['REDIRECT', 'TPROXY', 'NONE'])
    .optional()
    .describe('How traffic gets to the sidecar: REDIRECT, TPROXY or NONE.'),
  proxyMetadata: stringMap.optional().describe('Environment variables and metadata of proxies.'),
  tracing: z
    .strictObject({
      ...formerTracers,
      zipkin: z
        .strictObject({ address: z.string().describe('host:port of the collector.') })
        .optional()
        .describe('A Zipkin collector.'),
      sampling: z.number().optional().describe('Percentage of the requests that are traced.'),
      customTags: z.record(z.string(), customTag).optional().describe('Tags of each span, by name.'),
      enableIstioTags: z.boolean().optional().describe("Add the mesh's own tags to spans."),
      maxPathTagLength: uint32.optional().describe('Longest path in a span, in bytes.'),
      tlsSettings: clientTls.optional().describe(NO_EFFECT),
    })
    .optional()
    .describe('Where traces go; Telemetry objects decide before it.'),
  proxyHeaders: proxyHeaders.optional().describe('Headers that proxies add of their own.'),
  connectionSettings: connectionSettings.optional().describe("Limits and timeouts of the proxy's own connections."),
  controlPlaneAuthPolicy: z.enum(['NONE', 'MUTUAL_TLS', 'INHERIT']).optional().describe(NO_EFFECT),
  customConfigFile: z.string().optional().describe(NO_EFFECT),
  statNameLength: int32.optional().describe(NO_EFFECT),
  statsdUdpAddress: z.string().optional().describe(NO_EFFECT),
  extraStatTags: z.array(z.string()).optional().describe(NO_EFFECT),
  gatewayTopology: gatewayTopology.optional().describe('What stands in front of gateways.'),
  caCertificatesPem: z.array(z.string()).optional().describe('Further certificates, in PEM, that proxies trust.'),
  availabilityZone: z.string().optional().describe(NO_EFFECT),
  meshId: z.string().optional().describe('Name of the mesh.'),
  runtimeValues: stringMap.optional().describe(NO_EFFECT),
  zipkinAddress: z.string().optional().describe(NO_EFFECT),
  fileFlushInterval: duration.optional().describe(NO_EFFECT),
  fileFlushMinSizeKb: uint32.optional().describe('KiB of access log that are written at once.'),
  statsCompression: z.boolean().optional().describe(NO_EFFECT),
  tracingServiceName: z
    .enum(['APP_LABEL_AND_NAMESPACE', 'CANONICAL_NAME_ONLY', 'CANONICAL_NAME_AND_NAMESPACE'])
    .optional()
    .describe(NO_EFFECT),
});

export const meshConfig = z.strictObject({
  ...keptMeshSettings,
  proxyListenPort: portNumber.optional().describe('Port of sidecars for what goes out; default 15001.'),
  proxyInboundListenPort: portNumber.optional().describe('Port of sidecars for what comes in; default 15006.'),
  proxyHttpPort: int32.optional().describe('Port of sidecars as an HTTP proxy; 0: none.'),
  connectTimeout: duration.optional().describe('Time limit for making a connection; default 10s.'),
  protocolDetectionTimeout: duration.optional().describe('How long the protocol of a connection is looked for; 0s: without limit.'),
  dnsRefreshRate: duration.optional().describe('Time between two lookups of a name that failed; default 60s.'),
  outboundTrafficPolicy: outboundTrafficPolicy.optional().describe('What happens to calls to unknown hosts; ALLOW_ANY by default.'),
  inboundTrafficPolicy: z
    .strictObject({
      mode: z.enum(['PASSTHROUGH', 'LOCALHOST']).optional().describe("PASSTHROUGH (the default) to the pod's address, or LOCALHOST."),
    })
    .optional()
    .describe('How requests are handed to applications.'),
  enableAutoMtls: z.boolean().optional().describe('Sidecars call each other by mutual TLS without any DestinationRule; true by default.'),
  enableTracing: z.boolean().optional().describe('Proxies take part in traces; true by default.'),
  enablePrometheusMerge: z.boolean().optional().describe("The agent gives the application's metrics with its own; true by default."),
  trustDomain: z.string().optional().describe("Trust domain of the mesh's identities; default cluster.local."),
  trustDomainAliases: z.array(z.string()).optional().describe('Former trust domains that count as the same.'),
  rootNamespace: z.string().optional().describe('Namespace whose policies are for the whole mesh; default istio-system.'),
  accessLogFile: z.string().optional().describe('File of access logs, such as /dev/stdout; empty: none.'),
  accessLogFormat: z.string().optional().describe('Format of the log, as text or, for JSON, an object; empty: the default.'),
  accessLogEncoding: z.enum(['TEXT', 'JSON']).optional().describe('TEXT (the default) or JSON.'),
  defaultConfig: meshProxyConfig.optional().describe('Settings of all proxies; pods change them by annotation proxy.istio.io/config.'),
  defaultProviders: z
    .strictObject({
      tracing: z.array(z.string()).optional().describe('Providers of traces.'),
      metrics: z.array(z.string()).optional().describe('Providers of metrics.'),
      accessLogging: z.array(z.string()).optional().describe('Providers of access logs.'),
    })
    .optional()
    .describe('Extension providers that are used where no Telemetry names any.'),
  extensionProviders: z
    .array(extensionProvider)
    .optional()
    .describe('Systems outside of the mesh: tracing, metrics, logs and authorization, by name.'),
  defaultServiceExportTo: z.array(z.string()).optional().describe('Namespaces that see services without exportTo; default: all.'),
  defaultVirtualServiceExportTo: z
    .array(z.string())
    .optional()
    .describe('Namespaces that see VirtualServices without exportTo; default: all.'),
  defaultDestinationRuleExportTo: z
    .array(z.string())
    .optional()
    .describe('Namespaces that see DestinationRules without exportTo; default: all.'),
  defaultHttpRetryPolicy: httpRetries.optional().describe('Retries of routes that have none of their own; default: 2.'),
  defaultInboundHttpRetryPolicy: inboundRetry.optional().describe('Retries of sidecars towards their own application.'),
  defaultTrafficPolicy: trafficPolicy.optional().describe('Settings of calls where no DestinationRule has any.'),
  zoneAwareLbSetting: zoneAwareLbSetting.optional().describe(NO_EFFECT),
  localityLbSetting: localityLbSetting.optional().describe('Preference of near endpoints; on by default.'),
  ingressService: z.string().optional().describe('Service of the gateway for Ingresses; default istio-ingressgateway.'),
  ingressClass: z.string().optional().describe('Class of the Ingresses that are read; default istio.'),
  ingressControllerMode: z
    .enum(['UNSPECIFIED', 'OFF', 'DEFAULT', 'STRICT'])
    .optional()
    .describe('Which Ingresses are read: STRICT by class (the default), DEFAULT all, OFF none.'),
  ingressSelector: z.string().optional().describe('Value of label istio of the gateway for Ingresses.'),
  tcpKeepalive: connectionPool.shape.tcp.unwrap().shape.tcpKeepalive.describe('Keepalive probes of TCP.'),
  pathNormalization: z
    .strictObject({
      normalization: z
        .enum(['DEFAULT', 'NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES'])
        .optional()
        .describe('NONE, BASE (the default), MERGE_SLASHES or DECODE_AND_MERGE_SLASHES.'),
    })
    .optional()
    .describe('How paths are normalized before policies and routes see them.'),
  meshMTLS: tlsDefaults.optional().describe('TLS within the mesh.'),
  tlsDefaults: tlsDefaults.optional().describe('TLS at gateways and towards the outside.'),
  h2UpgradePolicy: z
    .enum(['DO_NOT_UPGRADE', 'UPGRADE'])
    .optional()
    .describe('Whether HTTP/1.1 requests are sent as HTTP/2 within the mesh.'),
  inboundClusterStatName: z.string().optional().describe(NO_EFFECT),
  outboundClusterStatName: z.string().optional().describe(NO_EFFECT),
  verifyCertificateAtClient: z.boolean().optional().describe(NO_EFFECT),
  caCertificates: z
    .array(
      z.looseObject({
        pem: z.string().optional().describe('The certificates, in PEM.'),
        spiffeBundleUrl: z.string().optional().describe('Where they are fetched, in place of pem: a SPIFFE bundle endpoint.'),
        certSigners: z.array(z.string()).optional().describe('Signers whose certificates they verify.'),
        trustDomains: z.array(z.string()).optional().describe("Trust domains that the certificates are for; none: the mesh's."),
      }),
    )
    .optional()
    .describe('Further roots that proxies trust.'),
  serviceSettings: z
    .array(
      z.looseObject({
        settings: z
          .looseObject({ clusterLocal: z.boolean().optional().describe("Calls stay within the caller's cluster.") })
          .optional()
          .describe('The settings.'),
        hosts: z.array(z.string()).optional().describe('Hosts that the settings are for, such as *.shop.svc.cluster.local.'),
      }),
    )
    .optional()
    .describe('Settings of single services.'),
  hboneIdleTimeout: duration.optional().describe(NO_EFFECT),
  enableEnvoyAccessLogService: z
    .boolean()
    .optional()
    .describe('Send access logs to the service that defaultConfig.envoyAccessLogService names.'),
  disableEnvoyListenerLog: z.boolean().optional().describe('Write no access log of listeners, for connections that no filter chain takes.'),
  networks: kept,
  mixerCheckServer: z.string().optional().describe('host:port of the Mixer that answers checks; empty: none.'),
  mixerReportServer: z.string().optional().describe('host:port of the Mixer that takes reports; empty: none.'),
  policyCheckFailOpen: z.boolean().optional().describe('Let requests pass where Mixer cannot be reached.'),
  disablePolicyChecks: z.boolean().optional().describe('Ask Mixer for no checks.'),
  disableMixerHttpReports: z.boolean().optional().describe('Send no reports of HTTP requests.'),
  enableClientSidePolicyCheck: z.boolean().optional().describe("Callers' proxies ask too."),
  sidecarToTelemetrySessionAffinity: z.boolean().optional().describe(NO_EFFECT),
  reportBatchMaxEntries: uint32.optional().describe('Requests in one report.'),
  reportBatchMaxTime: duration.optional().describe('How long a request waits to be reported.'),
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
