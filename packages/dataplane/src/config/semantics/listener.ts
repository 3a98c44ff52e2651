import { durationMs } from '@bufbuild/protobuf/wkt';
import { SocketAddress_Protocol } from '@xebec/protos/envoy/config/core/v3/address';
import type { Http2ProtocolOptions } from '@xebec/protos/envoy/config/core/v3/protocol';
import type { Listener } from '@xebec/protos/envoy/config/listener/v3/listener';
import type { FilterChain, FilterChainMatch } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import { OpenTelemetryConfigSchema } from '@xebec/protos/envoy/config/trace/v3/opentelemetry';
import { ZipkinConfigSchema } from '@xebec/protos/envoy/config/trace/v3/zipkin';
import { ExtAuthzSchema } from '@xebec/protos/envoy/extensions/filters/http/ext_authz/v3/ext_authz';
import { HealthCheckSchema } from '@xebec/protos/envoy/extensions/filters/http/health_check/v3/health_check';
import { LocalRateLimitSchema } from '@xebec/protos/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit';
import { RouterSchema } from '@xebec/protos/envoy/extensions/filters/http/router/v3/router';
import {
  type HttpConnectionManager,
  HttpConnectionManager_CodecType,
  HttpConnectionManagerSchema,
} from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { TcpProxySchema } from '@xebec/protos/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy';
import { DownstreamTlsContextSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/tls';
import { typeNameOf } from '../unpack.ts';
import { checkFilterChainMatches } from './filter-chain-matches.ts';
import { inside, isIpAddress, notExecuted, refuse, requireTypedConfig } from './refuse.ts';
import { checkRoutes } from './routes.ts';

/** What Envoy refuses of a listener beyond `validate.rules`. Throws XebecError `E_CONFIG`. */
export function checkListener(listener: Listener, clusterExists: (name: string) => boolean): void {
  const socket = listener.address?.address;
  if (socket?.case === 'socketAddress') {
    if (!isIpAddress(socket.value.address)) refuse(`malformed IP address: ${socket.value.address}`);
    if (socket.value.protocol === SocketAddress_Protocol.UDP) refuse('UDP listeners are not supported; use protocol TCP');
  }
  if (listener.fcdsConfig !== undefined) notExecuted('fcds_config', 'filter_chains');
  if (listener.filterChainMatcher === undefined) checkFilterChainMatches(listener.filterChains);
  for (const chain of listener.filterChains) {
    if (chain.filterChainMatch !== undefined) checkMatch(chain.filterChainMatch, chain.name);
    checkChain(chain, clusterExists);
  }
  if (listener.defaultFilterChain !== undefined) checkChain(listener.defaultFilterChain, clusterExists);
}

function checkMatch(match: FilterChainMatch, chain: string): void {
  if (match.addressSuffix !== '' || match.suffixLen !== undefined) refuse(`filter chain '${chain}' contains unimplemented fields`);
  for (const name of match.serverNames)
    if (name.includes('*') && !name.startsWith('*.')) refuse('partial wildcards are not supported in "server_names"');
}

/** Network filters that end a chain. */
const terminal = new Set([
  'envoy.extensions.filters.network.echo.v3.Echo',
  'envoy.extensions.filters.network.direct_response.v3.Config',
  'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
  'envoy.extensions.filters.network.redis_proxy.v3.RedisProxy',
  'envoy.extensions.filters.network.thrift_proxy.v3.ThriftProxy',
  'envoy.extensions.filters.network.dubbo_proxy.v3.DubboProxy',
  'envoy.extensions.filters.network.generic_proxy.v3.GenericProxy',
]);
/** Of these it is known that they do not: about types that are not known here nothing is said. */
const knownFilter = /^envoy\.extensions\.filters\.network\./;

function checkChain(chain: FilterChain, clusterExists: (name: string) => boolean): void {
  checkDownstreamTls(chain);
  for (const [index, filter] of chain.filters.entries()) {
    if (filter.configType.case === 'configDiscovery') continue;
    const any = filter.configType.value;
    requireTypedConfig(filter, any);
    const typeName = any === undefined ? '' : typeNameOf(any);
    const last = index === chain.filters.length - 1;
    if (terminal.has(typeName) && !last)
      refuse(`Error: terminal filter named ${filter.name} of type ${typeName} must be the last filter in a network filter chain.`);
    if (last && !terminal.has(typeName) && knownFilter.test(typeName))
      refuse(`Error: non-terminal filter named ${filter.name} of type ${typeName} is the last filter in a network filter chain.`);
    const idle = inside(any, TcpProxySchema)?.idleTimeout;
    if (idle !== undefined && durationMs(idle) < 0) refuse('Invalid duration: Expected positive duration');
    const manager = inside(any, HttpConnectionManagerSchema);
    if (manager !== undefined) checkManager(manager, clusterExists);
  }
}

function checkDownstreamTls(chain: FilterChain): void {
  const tls = inside(chain.transportSocket?.configType.value, DownstreamTlsContextSchema);
  if (tls === undefined) return;
  const common = tls.commonTlsContext;
  const sources = [common?.tlsCertificates, common?.tlsCertificateSdsSecretConfigs].reduce((sum, list) => sum + (list?.length ?? 0), 0);
  if (sources === 0 && common?.tlsCertificateProviderInstance === undefined && common?.customTlsCertificateSelector === undefined)
    refuse('No TLS certificates found for server context');
  if (tls.sessionTicketKeysType.case === 'sessionTicketKeys')
    for (const { specifier } of tls.sessionTicketKeysType.value.keys) {
      const text = specifier.case === 'inlineString' || specifier.case === 'inlineBytes' ? specifier.value : undefined;
      const length = typeof text === 'string' ? Buffer.byteLength(text) : text?.length;
      if (length !== undefined && length !== 80) refuse(`Incorrect TLS session ticket key length: length ${length}, expected length 80.`);
    }
  for (const { certificateChain, privateKey, privateKeyProvider, pkcs12 } of common?.tlsCertificates ?? []) {
    if (certificateChain === undefined && pkcs12 === undefined) refuse('Server TlsCertificates must have a certificate specified');
    if (certificateChain !== undefined && privateKey === undefined && privateKeyProvider === undefined && pkcs12 === undefined)
      refuse('Failed to load incomplete private key from path: ');
  }
}

function checkManager(manager: HttpConnectionManager, clusterExists: (name: string) => boolean): void {
  checkHttpFilters(manager.httpFilters);
  const upgrades = new Set<string>();
  for (const { upgradeType, filters } of manager.upgradeConfigs) {
    if (upgrades.has(upgradeType.toLowerCase())) refuse(`Error: multiple upgrade configs with the same name: '${upgradeType}'`);
    upgrades.add(upgradeType.toLowerCase());
    if (filters.length > 0) checkHttpFilters(filters);
  }
  if (manager.originalIpDetectionExtensions.length > 0 && manager.useRemoteAddress === true)
    refuse('Original IP detection extensions and use_remote_address may not be mixed');
  if (manager.forwardClientCertMatcher !== undefined) notExecuted('forward_client_cert_matcher', 'forward_client_cert_details');
  if (manager.forwardProtoConfig !== undefined) notExecuted('forward_proto_config');
  if (manager.codecType === HttpConnectionManager_CodecType.HTTP3)
    refuse('HTTP/3 codec configured on non-QUIC listener: HTTP/3 is not supported');
  checkSettings(manager.http2ProtocolOptions);
  if (manager.stripMatchingHostPort && manager.stripPortMode.case === 'stripAnyHostPort' && manager.stripPortMode.value)
    refuse('Error: Only one of `strip_matching_host_port` or `strip_any_host_port` can be set.');
  const provider = manager.tracing?.provider?.configType.value;
  const zipkin = inside(provider, ZipkinConfigSchema);
  const collector = zipkin?.collectorService?.httpUri?.httpUpstreamType.value ?? zipkin?.collectorCluster ?? '';
  if (collector !== '' && !clusterExists(collector)) refuse(`envoy.tracers.zipkin: unknown cluster '${collector}'`);
  const otel = inside(provider, OpenTelemetryConfigSchema);
  if (otel?.grpcService !== undefined && otel.httpService !== undefined)
    refuse('OpenTelemetry Tracer must have exactly one of gRPC, HTTP, or custom exporter configured.');
  if (manager.routeSpecifier.case === 'routeConfig') checkRoutes(manager.routeSpecifier.value, { clusterExists });
}

function checkSettings(options: Http2ProtocolOptions | undefined): void {
  const values = new Map<number, number>();
  for (const { identifier, value } of options?.customSettingsParameters ?? []) {
    const [id, number] = [identifier ?? 0, value ?? 0];
    const before = values.get(id);
    if (before !== undefined && before !== number)
      refuse(`inconsistent HTTP/2 custom SETTINGS parameter(s) detected; identifiers = {0x${id.toString(16).padStart(2, '0')}}`);
    values.set(id, number);
  }
}

function checkHttpFilters(filters: HttpConnectionManager['httpFilters']): void {
  for (const [index, filter] of filters.entries()) {
    if (filter.configType.case === 'configDiscovery' || filter.isOptional) continue;
    const any = filter.configType.value;
    requireTypedConfig(filter, any);
    const isRouter = any !== undefined && typeNameOf(any) === RouterSchema.typeName;
    if (isRouter && index < filters.length - 1)
      refuse(
        'Error: terminal filter named envoy.filters.http.router of type envoy.filters.http.router must be the last filter in a http filter chain.',
      );
    if (isRouter && filter.disabled)
      refuse(`Error: the last (terminal) filter (${filter.name}) in the chain cannot be disabled by default.`);
    const typeName = any === undefined ? '' : typeNameOf(any);
    if (!isRouter && index === filters.length - 1 && typeName.startsWith('envoy.extensions.filters.http.'))
      refuse(`Error: non-terminal filter named ${filter.name} of type ${typeName} is the last filter in a http filter chain.`);
    const health = inside(any, HealthCheckSchema);
    if (health?.passThroughMode === false && health.cacheTime !== undefined && durationMs(health.cacheTime) > 0)
      refuse('cache_time_ms must not be set when path_through_mode is disabled');
    const authorization = inside(any, ExtAuthzSchema);
    if (authorization?.shadowMode === true) notExecuted('ext_authz.shadow_mode');
    const fill = inside(any, LocalRateLimitSchema)?.tokenBucket?.fillInterval;
    if (fill !== undefined && durationMs(fill) < 50) refuse('local rate limit token bucket fill timer must be >= 50ms');
  }
}
