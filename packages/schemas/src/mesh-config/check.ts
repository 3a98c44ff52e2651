import { durationMs } from '../fields.ts';
import { FindingList, type Findings } from '../findings.ts';
import { checkClientTls } from '../traffic-policy/client-tls.ts';
import { checkConnectionPool, checkDuration } from '../traffic-policy/connection-pool.ts';
import { checkLocality, checkZoneAware } from '../traffic-policy/locality.ts';
import { checkOutlierDetection } from '../traffic-policy/traffic-policy.ts';
import { serverAddress } from '../values/addresses.ts';
import { isWhole, wholeSeconds } from '../values/durations.ts';
import { trustDomainName, wildcardDomain } from '../values/names.ts';
import { isRecord } from '../violations.ts';
import { checkRetries } from '../virtual-service/retries-check.ts';
import { decodeMeshConfig, readableMeshConfig } from './decode.ts';
import type { MeshConfig, MeshProxyConfig } from './spec.ts';

const CURVES: ReadonlySet<string> = new Set(['P-224', 'P-256', 'P-384', 'P-521', 'X25519', 'X25519Kyber768Draft00', 'X25519MLKEM768']);
const HOUR_MS = 3_600_000;
/** The least window that HTTP/2 knows. */
const LEAST_WINDOW = 65_535;
const BUFFERS = ['listenerPerConnectionBufferLimitBytes', 'clusterPerConnectionBufferLimitBytes'] as const;
const TIMEOUTS = [
  'httpIdleTimeout',
  'httpMaxConnectionDuration',
  'httpDrainTimeout',
  'httpRequestTimeout',
  'httpRequestHeadersTimeout',
  'httpStreamIdleTimeout',
  'httpMaxStreamDuration',
] as const;
const WINDOWS = ['http2InitialStreamWindowSize', 'http2InitialConnectionWindowSize'] as const;
const COUNTS = ['httpMaxConcurrentStreams', 'listenerConnectionLimit', 'globalDownstreamConnectionLimit'] as const;

/** What is wrong with a MeshConfig as it was written, and what it likely does not mean. */
export function checkMeshConfig(input: unknown): Findings {
  const { unknown } = readableMeshConfig(input);
  const decoded = decodeMeshConfig(input);
  if (!decoded.ok) return { errors: decoded.error, warnings: unknown };
  const findings = new FindingList();
  findings.warnings.push(...unknown);
  checkZeroPorts(input, findings);
  const mesh = decoded.value;
  checkDuration(mesh.connectTimeout, ['connectTimeout'], findings);
  if ((durationMs(mesh.connectTimeout ?? '1s') ?? 0) > HOUR_MS)
    findings.error(['connectTimeout'], `"${mesh.connectTimeout}" is longer than an hour`);
  if (!isWhole(durationMs(mesh.protocolDetectionTimeout ?? '0') ?? 0))
    findings.error(['protocolDetectionTimeout'], `"${mesh.protocolDetectionTimeout}" is finer than milliseconds`);
  findings.refuse(['trustDomain'], trustDomainName(mesh.trustDomain ?? ''));
  for (const [index, alias] of (mesh.trustDomainAliases ?? []).entries())
    findings.refuse(['trustDomainAliases', index], trustDomainName(alias));
  for (const [index, { hosts = [] }] of (mesh.serviceSettings ?? []).entries())
    for (const [number, host] of hosts.entries()) findings.refuse(['serviceSettings', index, 'hosts', number], wildcardDomain(host));
  checkLocality(mesh.localityLbSetting, true, ['localityLbSetting'], findings);
  checkZoneAware(mesh.zoneAwareLbSetting, true, ['zoneAwareLbSetting'], findings);
  checkTls(mesh, findings);
  const { connectionPool, outlierDetection } = mesh.defaultTrafficPolicy ?? {};
  if (connectionPool !== undefined) {
    // Istio does not look at the keepalive of HTTP/2 here.
    const { http2KeepAlive: _, ...http } = connectionPool.http ?? {};
    const pool = connectionPool.http === undefined ? connectionPool : { ...connectionPool, http };
    checkConnectionPool(pool, ['defaultTrafficPolicy', 'connectionPool'], findings);
  }
  checkOutlierDetection(outlierDetection, ['defaultTrafficPolicy', 'outlierDetection'], findings);
  checkInboundRetries(mesh.defaultInboundHttpRetryPolicy, findings);
  checkProviders(mesh.extensionProviders ?? [], findings);
  if (mesh.defaultConfig !== undefined) checkProxy(mesh.defaultConfig, ['defaultConfig'], findings);
  return findings;
}

/** A port that is left out has a default; one that is 0 is a mistake. */
function checkZeroPorts(input: unknown, findings: FindingList): void {
  if (!isRecord(input)) return;
  const { defaultConfig, proxyListenPort } = input;
  if (proxyListenPort === 0) findings.error(['proxyListenPort'], '0 is not a port: write a number from 1 to 65535');
  if (isRecord(defaultConfig) && defaultConfig['proxyAdminPort'] === 0)
    findings.error(['defaultConfig', 'proxyAdminPort'], '0 is not a port: write a number from 1 to 65535');
}

function checkTls(mesh: MeshConfig, findings: FindingList): void {
  if ((mesh.meshMTLS?.ecdhCurves ?? []).length > 0)
    findings.error(['meshMTLS', 'ecdhCurves'], 'is not supported within the mesh; set tlsDefaults.ecdhCurves');
  const seen = new Set<string>();
  for (const [index, curve] of (mesh.tlsDefaults?.ecdhCurves ?? []).entries()) {
    const path = ['tlsDefaults', 'ecdhCurves', index];
    if (curve !== '' && !CURVES.has(curve)) findings.warning(path, `"${curve}" is none of ${[...CURVES].join(', ')}`);
    else if (seen.has(curve)) findings.warning(path, `"${curve}" stands twice`);
    seen.add(curve);
  }
}

/** Warnings alone, as in Istio: nobody may use the provider. */
function checkProviders(providers: NonNullable<MeshConfig['extensionProviders']>, findings: FindingList): void {
  for (const [index, { name, ...provider }] of providers.entries()) {
    const path = ['extensionProviders', index];
    if (name === '') findings.warning([...path, 'name'], 'must be set: nothing can refer to the provider');
    for (const [kind, settings] of Object.entries(provider)) {
      if (!isRecord(settings) || !('service' in settings)) continue;
      if (settings['service'] === '') findings.warning([...path, kind, 'service'], 'must be set: the provider has no effect');
      const port = settings['port'];
      if (typeof port === 'number' && (port < 1 || port > 65535))
        findings.warning([...path, kind, 'port'], `${port} is not a port: write a number from 1 to 65535`);
    }
  }
}

function checkInboundRetries(retries: MeshConfig['defaultInboundHttpRetryPolicy'], findings: FindingList): void {
  const path = ['defaultInboundHttpRetryPolicy'];
  checkRetries(retries, path, findings);
  if (retries === undefined) return;
  if ((retries.attempts ?? 0) === 0 && retries.backoff !== undefined)
    findings.error([...path, 'backoff'], 'cannot be set with attempts 0, which turns retries off');
  for (const field of ['perTryTimeout', 'retryRemoteLocalities', 'retryIgnorePreviousHosts'] as const)
    if (retries[field] !== undefined) findings.warning([...path, field], 'has no effect on what comes in');
}

function checkProxy(proxy: MeshProxyConfig, path: readonly PropertyKey[], findings: FindingList): void {
  for (const field of ['configPath', 'binaryPath', 'serviceCluster', 'discoveryAddress'] as const)
    if (proxy[field] === '') findings.error([...path, field], 'must not be empty');
  if (proxy.drainDuration !== undefined) findings.refuse([...path, 'drainDuration'], wholeSeconds(proxy.drainDuration));
  if ((proxy.discoveryAddress ?? '') !== '') findings.refuse([...path, 'discoveryAddress'], serverAddress(proxy.discoveryAddress ?? ''));
  if ((proxy.statsdUdpAddress ?? '') !== '') findings.refuse([...path, 'statsdUdpAddress'], serverAddress(proxy.statsdUdpAddress ?? ''));
  if (proxy.statusPort === 0) findings.error([...path, 'statusPort'], '0 is not a port: write a number from 1 to 65535');
  const log = proxy.envoyAccessLogService?.address ?? '';
  if (log !== '') findings.refuse([...path, 'envoyAccessLogService', 'address'], serverAddress(log));
  if (proxy.privateKeyProvider !== undefined) {
    const [name, provider] = Object.entries(proxy.privateKeyProvider)[0] ?? [];
    if (name === undefined) findings.error([...path, 'privateKeyProvider'], 'sets nothing; set cryptomb or qat');
    else if (provider?.pollDelay === undefined) findings.error([...path, 'privateKeyProvider', name, 'pollDelay'], 'must be set');
  }
  const { sampling = 0, tlsSettings, zipkin } = proxy.tracing ?? {};
  if (sampling < 0 || sampling > 100) findings.warning([...path, 'tracing', 'sampling'], `${sampling} is no percentage from 0 to 100`);
  if (zipkin !== undefined)
    findings.refuse([...path, 'tracing', 'zipkin', 'address'], serverAddress(zipkin.address.replace('$(HOST_IP)', '127.0.0.1')));
  checkClientTls(tlsSettings, '', [...path, 'tracing', 'tlsSettings'], findings);
  if (proxy.proxyMetadata?.['ISTIO_META_DNS_AUTO_ALLOCATE'] !== undefined)
    findings.warning(
      [...path, 'proxyMetadata', 'ISTIO_META_DNS_AUTO_ALLOCATE'],
      'is deprecated: addresses are given to ServiceEntries without it',
    );
  checkConnections(proxy.connectionSettings ?? {}, [...path, 'connectionSettings'], findings);
}

function checkConnections(
  settings: NonNullable<MeshProxyConfig['connectionSettings']>,
  path: readonly PropertyKey[],
  findings: FindingList,
): void {
  for (const field of BUFFERS) if ((settings[field] ?? 0) < 0) findings.error([...path, field], `${settings[field]} is negative`);
  for (const field of TIMEOUTS)
    if ((durationMs(settings[field] ?? '0') ?? 0) < 0) findings.error([...path, field], `"${settings[field]}" is negative`);
  for (const field of COUNTS) if ((settings[field] ?? 1) <= 0) findings.error([...path, field], `${settings[field]} is not greater than 0`);
  for (const field of WINDOWS)
    if ((settings[field] ?? LEAST_WINDOW) < LEAST_WINDOW)
      findings.error([...path, field], `${settings[field]} is less than ${LEAST_WINDOW}`);
}
