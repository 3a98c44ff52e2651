import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Any } from '@bufbuild/protobuf/wkt';
import { XebecError } from '@xebec/core';
import { type FilterContext, filterSupport, type HttpFilterDefinition, type HttpFilterFactory, type NodeInfo } from '@xebec/filters';
import { type AddressPredicate, type CompiledRouteTable, compileCidrs, type HeaderMutation, optionalDurationMs } from '@xebec/matching';
import type { ExtensionConfigSource } from '@xebec/protos/envoy/config/core/v3/config_source';
import { HttpProtocolOptions_HeadersWithUnderscoresAction as Underscores } from '@xebec/protos/envoy/config/core/v3/protocol';
import { RouterSchema } from '@xebec/protos/envoy/extensions/filters/http/router/v3/router';
import {
  HttpConnectionManager_CodecType as Codec,
  HttpConnectionManager_PathWithEscapedSlashesAction as EscapedSlashes,
  HttpConnectionManager_ForwardClientCertDetails as ForwardCert,
  type HttpConnectionManager,
  HttpConnectionManager_ServerHeaderTransformation as ServerHeader,
} from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import type { RequestHead } from '@xebec/wire';
import { typeNameOf, unpack } from '../config/unpack.ts';
import type { AccessLogWriter } from '../runtime/access-log-writer.ts';
import type { TapHub } from '../tap/tap-hub.ts';
import type { HttpTracing } from '../tracing/http-tracing.ts';
import type { DynamicFilter } from '../xds-client/extension-store.ts';
import { addressHeader, earlyMutation } from './early-extensions.ts';
import type { HcmStats } from './hcm-stats.ts';
import { compileHeaderCase, type HeaderCase } from './header-case.ts';
import { type Http2Settings, serverHttp2SettingsOf } from './http2-options.ts';
import type { LocalReplyRewrite } from './local-reply-rewrite.ts';
import { compileProxyStatus, type ProxyStatus } from './proxy-status.ts';

/** The route table in force; RDS replaces it. Undefined until the first one has come. */
export interface RouteSource {
  current: CompiledRouteTable | undefined;
  /** Where routes are scoped: the table of a request. */
  readonly choose?: (request: RequestHead) => CompiledRouteTable | undefined;
}

export interface NamedFilterFactory {
  readonly name: string;
  readonly factory: HttpFilterFactory;
  readonly disabled: boolean;
}

/** One connection manager's settings as the request path reads them. */
export interface HttpSettings {
  readonly statPrefix: string;
  readonly stats: HcmStats;
  readonly codec: 'auto' | 'http1' | 'http2';
  readonly routes: RouteSource;
  readonly filters: readonly NamedFilterFactory[];
  /** By type, in lower case: filters of upgrades that have their own. */
  readonly upgradeFilters: ReadonlyMap<string, readonly NamedFilterFactory[]>;
  readonly accessLogs: readonly AccessLogWriter[];
  readonly tap: TapHub;
  /** When lines are written beside that at the end; undefined where only that one is. */
  readonly earlyLogs: EarlyLogs | undefined;
  /** Undefined: trace headers pass as they are. */
  readonly tracing: HttpTracing | undefined;
  readonly serverName: string;
  readonly serverHeader: 'overwrite' | 'append-if-absent' | 'pass-through';
  readonly useRemoteAddress: boolean;
  readonly skipXffAppend: boolean;
  readonly xffTrustedHops: number;
  readonly isInternal: AddressPredicate | undefined;
  readonly ownAddress: string;
  readonly generateRequestId: boolean;
  readonly preserveExternalRequestId: boolean;
  readonly alwaysSetRequestIdInResponse: boolean;
  readonly via: string;
  /** Undefined: answers do not say what failed. */
  readonly proxyStatus: ProxyStatus | undefined;
  /** `add_user_agent`: what requests say of the proxy that they came through. */
  readonly userAgent: ProxyNode | undefined;
  /** Put in place of a request's scheme; empty leaves it. */
  readonly schemeOverwrite: string;
  readonly headerCase: HeaderCase;
  readonly underscores: 'allow' | 'reject' | 'drop';
  readonly forwardCert: 'sanitize' | 'forward-only' | 'append-forward' | 'sanitize-set' | 'always-forward-only';
  readonly certDetails: {
    readonly subject: boolean;
    readonly cert: boolean;
    readonly chain: boolean;
    readonly dns: boolean;
    readonly uri: boolean;
  };
  readonly normalizePath: boolean;
  readonly mergeSlashes: boolean;
  readonly escapedSlashes: 'keep' | 'reject' | 'redirect' | 'forward';
  readonly stripDot: boolean;
  readonly stripPort: 'no' | 'any' | 'matching';
  readonly appendForwardedPort: boolean;
  readonly upgrades: ReadonlyMap<string, boolean>;
  readonly proxy100Continue: boolean;
  /** Milliseconds; 0 is no limit. */
  readonly streamIdleTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly requestHeadersTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly maxConnectionMs: number;
  readonly maxStreamMs: number;
  readonly maxRequestsPerConnection: number;
  readonly drainTimeoutMs: number;
  /** How long a connection that has drained stays, so that what the client sends meanwhile is not answered by a reset. */
  readonly delayedCloseMs: number;
  readonly maxHeadersBytes: number;
  readonly maxHeadersCount: number;
  readonly maxConcurrentStreams: number;
  readonly http2: Http2Settings;
  readonly acceptHttp10: boolean;
  /** Of HTTP/1.0 requests without one. */
  readonly defaultHost: string;
  readonly allowAbsoluteUrl: boolean;
  /** Applied before anything else looks at a request. */
  readonly earlyMutation: HeaderMutation | undefined;
  /** The header that says who the client is; with a status, those are refused that it says nothing of. */
  readonly addressHeader: { readonly name: string; readonly refusal: number | undefined } | undefined;
  /** HTTP/1 trailers pass; without it they are dropped. */
  readonly enableTrailers: boolean;
  /** `stream_error_on_invalid_http_message`: a request that is refused does not end its connection. */
  readonly keepsAfterInvalid: boolean;
  /** `allow_absolute_url` was asked for: clients use this port as their HTTP proxy, so a request's host says where it goes. */
  readonly forwardProxy: boolean;
  readonly suppressEnvoyHeaders: boolean;
  readonly bufferLimitBytes: number;
  /** `local_reply_config`; undefined leaves the proxy's own answers as they are. */
  readonly rewriteLocalReply: LocalReplyRewrite | undefined;
  /** `zone.<own>.<zone>`, how answers between two zones are counted; undefined while the proxy's own zone is not known. */
  zonePart(zone: string): string | undefined;
}

/** Who the proxy is, by its bootstrap; empty where that does not say. */
export type ProxyNode = Pick<NodeInfo, 'id' | 'cluster'>;

const hour = 3_600_000;
const fiveMinutes = 300_000;

/** Lines of a stream that goes on: `access_log_options`. */
export interface EarlyLogs {
  readonly onStart: boolean;
  readonly onTunnel: boolean;
  /** Undefined: not at intervals. */
  readonly intervalMs: number | undefined;
}

function compileEarlyLogs({ accessLog, accessLogOptions: options }: HttpConnectionManager): EarlyLogs | undefined {
  if (options === undefined || accessLog.length === 0) return undefined;
  return {
    onStart: options.flushAccessLogOnNewRequest,
    onTunnel: options.flushLogOnTunnelSuccessfullyEstablished,
    intervalMs: optionalDurationMs(options.accessLogFlushInterval),
  };
}

/** The parts that do not depend on other objects. Throws XebecError `E_CONFIG` naming the field. */
export function compileHttpSettings(
  proto: HttpConnectionManager,
  parts: Pick<
    HttpSettings,
    | 'routes'
    | 'filters'
    | 'upgradeFilters'
    | 'accessLogs'
    | 'tap'
    | 'tracing'
    | 'stats'
    | 'suppressEnvoyHeaders'
    | 'bufferLimitBytes'
    | 'rewriteLocalReply'
    | 'zonePart'
  >,
  node: ProxyNode,
): HttpSettings {
  const common = proto.commonHttpProtocolOptions;
  const details = proto.setCurrentClientCertDetails;
  const internal = proto.internalAddressConfig?.cidrRanges ?? [];
  if (proto.requestTimeout !== undefined && proto.requestTimeout.seconds < 0n) {
    throw new XebecError('E_CONFIG', `http_connection_manager "${proto.statPrefix}": request_timeout is negative`);
  }
  return {
    ...parts,
    earlyLogs: compileEarlyLogs(proto),
    statPrefix: proto.statPrefix,
    codec: proto.codecType === Codec.HTTP1 ? 'http1' : proto.codecType === Codec.HTTP2 ? 'http2' : 'auto',
    serverName: proto.serverName === '' ? 'envoy' : proto.serverName,
    serverHeader:
      proto.serverHeaderTransformation === ServerHeader.OVERWRITE
        ? 'overwrite'
        : proto.serverHeaderTransformation === ServerHeader.APPEND_IF_ABSENT
          ? 'append-if-absent'
          : 'pass-through',
    useRemoteAddress: proto.useRemoteAddress ?? false,
    skipXffAppend: proto.skipXffAppend,
    xffTrustedHops: proto.xffNumTrustedHops,
    isInternal:
      internal.length === 0
        ? undefined
        : compileCidrs(internal.map((range) => ({ addressPrefix: range.addressPrefix, prefixLen: range.prefixLen ?? 0 }))),
    ownAddress: ownAddress(),
    generateRequestId: proto.generateRequestId ?? true,
    preserveExternalRequestId: proto.preserveExternalRequestId,
    alwaysSetRequestIdInResponse: proto.alwaysSetRequestIdInResponse,
    via: proto.via,
    proxyStatus: compileProxyStatus(proto, proto.serverName === '' ? 'envoy' : proto.serverName, node.id),
    userAgent: proto.addUserAgent === true ? node : undefined,
    schemeOverwrite:
      proto.schemeHeaderTransformation?.transformation.case === 'schemeToOverwrite'
        ? proto.schemeHeaderTransformation.transformation.value
        : '',
    underscores:
      common?.headersWithUnderscoresAction === Underscores.REJECT_REQUEST
        ? 'reject'
        : common?.headersWithUnderscoresAction === Underscores.DROP_HEADER
          ? 'drop'
          : 'allow',
    headerCase: compileHeaderCase(proto.httpProtocolOptions?.headerKeyFormat, `http_connection_manager "${proto.statPrefix}"`),
    forwardCert: forwardCerts[proto.forwardClientCertDetails] ?? 'sanitize',
    certDetails: {
      subject: details?.subject ?? false,
      cert: details?.cert ?? false,
      chain: details?.chain ?? false,
      dns: details?.dns ?? false,
      uri: details?.uri ?? false,
    },
    normalizePath: proto.normalizePath ?? false,
    mergeSlashes: proto.mergeSlashes,
    escapedSlashes: escapedSlashes[proto.pathWithEscapedSlashesAction] ?? 'keep',
    stripDot: proto.stripTrailingHostDot,
    stripPort:
      proto.stripPortMode.case === 'stripAnyHostPort' && proto.stripPortMode.value
        ? 'any'
        : proto.stripMatchingHostPort
          ? 'matching'
          : 'no',
    appendForwardedPort: proto.appendXForwardedPort,
    upgrades: new Map(proto.upgradeConfigs.map((upgrade) => [upgrade.upgradeType.toLowerCase(), upgrade.enabled ?? true])),
    proxy100Continue: proto.proxy100Continue,
    streamIdleTimeoutMs: optionalDurationMs(proto.streamIdleTimeout) ?? fiveMinutes,
    requestTimeoutMs: optionalDurationMs(proto.requestTimeout) ?? 0,
    requestHeadersTimeoutMs: optionalDurationMs(proto.requestHeadersTimeout) ?? 0,
    idleTimeoutMs: optionalDurationMs(common?.idleTimeout) ?? hour,
    maxConnectionMs: optionalDurationMs(common?.maxConnectionDuration) ?? 0,
    maxStreamMs: optionalDurationMs(common?.maxStreamDuration) ?? 0,
    maxRequestsPerConnection: common?.maxRequestsPerConnection ?? 0,
    drainTimeoutMs: optionalDurationMs(proto.drainTimeout) ?? 5_000,
    delayedCloseMs: optionalDurationMs(proto.delayedCloseTimeout) ?? 1_000,
    maxHeadersBytes: (proto.maxRequestHeadersKb ?? 60) * 1024,
    maxHeadersCount: common?.maxHeadersCount ?? 100,
    maxConcurrentStreams: proto.http2ProtocolOptions?.maxConcurrentStreams ?? 1024,
    http2: serverHttp2SettingsOf(proto.http2ProtocolOptions, proto.streamErrorOnInvalidHttpMessage ?? false),
    acceptHttp10: proto.httpProtocolOptions?.acceptHttp10 ?? false,
    defaultHost: proto.httpProtocolOptions?.defaultHostForHttp10 ?? '',
    allowAbsoluteUrl: proto.httpProtocolOptions?.allowAbsoluteUrl ?? true,
    earlyMutation: earlyMutation(proto),
    addressHeader: addressHeader(proto),
    keepsAfterInvalid: proto.streamErrorOnInvalidHttpMessage ?? false,
    enableTrailers: proto.httpProtocolOptions?.enableTrailers ?? false,
    forwardProxy: proto.httpProtocolOptions?.allowAbsoluteUrl ?? false,
  };
}

const forwardCerts: Partial<Record<ForwardCert, HttpSettings['forwardCert']>> = {
  [ForwardCert.FORWARD_ONLY]: 'forward-only',
  [ForwardCert.APPEND_FORWARD]: 'append-forward',
  [ForwardCert.SANITIZE_SET]: 'sanitize-set',
  [ForwardCert.ALWAYS_FORWARD_ONLY]: 'always-forward-only',
};

const escapedSlashes: Partial<Record<EscapedSlashes, HttpSettings['escapedSlashes']>> = {
  [EscapedSlashes.REJECT_REQUEST]: 'reject',
  [EscapedSlashes.UNESCAPE_AND_REDIRECT]: 'redirect',
  [EscapedSlashes.UNESCAPE_AND_FORWARD]: 'forward',
};

export interface CompiledHttpFilters {
  readonly filters: readonly NamedFilterFactory[];
  readonly upgradeFilters: ReadonlyMap<string, readonly NamedFilterFactory[]>;
  readonly suppressEnvoyHeaders: boolean;
  /** Filters whose configuration comes over ECDS. */
  readonly discovered: readonly DynamicFilter[];
}

export type DiscoverFilter = (name: string, source: ExtensionConfigSource, context: FilterContext) => DynamicFilter;

/**
 * Compiles the chain up to the router, which must be last, and those of upgrades that have their own. Throws XebecError `E_CONFIG` for
 * a type that is not known.
 */
export function compileHttpFilters(
  proto: HttpConnectionManager,
  find: (typeName: string, name: string) => HttpFilterDefinition | undefined,
  context: FilterContext,
  unwrap: (any: Any) => Any,
  discover?: DiscoverFilter,
): CompiledHttpFilters {
  const chain = compileChain(proto.httpFilters, find, context, unwrap, discover);
  const upgradeFilters = new Map<string, readonly NamedFilterFactory[]>();
  const discovered = [...chain.discovered];
  for (const { upgradeType, filters } of proto.upgradeConfigs) {
    if (filters.length === 0) continue;
    const own = compileChain(filters, find, context, unwrap, discover);
    upgradeFilters.set(upgradeType.toLowerCase(), own.filters);
    discovered.push(...own.discovered);
  }
  return { ...chain, upgradeFilters, discovered };
}

function compileChain(
  protos: HttpConnectionManager['httpFilters'],
  find: (typeName: string, name: string) => HttpFilterDefinition | undefined,
  context: FilterContext,
  unwrap: (any: Any) => Any,
  discover: DiscoverFilter | undefined,
): Omit<CompiledHttpFilters, 'upgradeFilters'> {
  const filters: NamedFilterFactory[] = [];
  const discovered: DynamicFilter[] = [];
  let suppressEnvoyHeaders = false;
  for (const filter of protos) {
    const where = `http filter "${filter.name}"`;
    if (filter.configType.case === 'configDiscovery') {
      if (discover === undefined) throw new XebecError('E_CONFIG', `${where}: config_discovery is not supported here; set typed_config`);
      const dynamic = discover(filter.name, filter.configType.value, { ...context, filterName: filter.name });
      discovered.push(dynamic);
      filters.push({ name: filter.name, factory: dynamic.factory, disabled: filter.disabled });
      continue;
    }
    const any = filter.configType.value === undefined ? undefined : unwrap(filter.configType.value);
    if (any === undefined && filter.name === 'envoy.filters.http.router') continue;
    const typeName = any === undefined ? '' : typeNameOf(any);
    if (typeName === RouterSchema.typeName) {
      suppressEnvoyHeaders = unpack(any, RouterSchema, where).suppressEnvoyHeaders;
      continue;
    }
    const definition = find(typeName, filter.name);
    if (definition === undefined) {
      if (filter.isOptional) continue;
      if (filterSupport(typeName) === 'ignored') {
        context.logger.warn({ filter: filter.name, type: typeName }, 'an HTTP filter that is not executed is left out');
        continue;
      }
      throw new XebecError('E_CONFIG', `${where}: didn't find a registered implementation with type URL ${any?.typeUrl ?? '""'}`);
    }
    filters.push({
      name: filter.name,
      factory: definition.compile(any?.value ?? new Uint8Array(), typeName, { ...context, filterName: filter.name }),
      disabled: filter.disabled,
    });
  }
  return { filters, suppressEnvoyHeaders, discovered };
}

/** What x-forwarded-for says of a client on the loopback interface: this machine's own first other address. */
export function ownAddress(): string {
  for (const addresses of Object.values(networkInterfaces())) {
    for (const entry of addresses ?? []) if (!entry.internal && isIP(entry.address) === 4) return entry.address;
  }
  return '127.0.0.1';
}
