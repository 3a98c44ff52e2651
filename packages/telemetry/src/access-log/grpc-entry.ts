import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type Any, type Duration, DurationSchema, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type Address, AddressSchema } from '@xebec/protos/envoy/config/core/v3/address';
import { MetadataSchema, RequestMethod } from '@xebec/protos/envoy/config/core/v3/base';
import {
  AccessLogType,
  type HTTPAccessLogEntry,
  HTTPAccessLogEntrySchema,
  HTTPAccessLogEntry_HTTPVersion as HttpVersion,
  type ResponseFlags,
  ResponseFlagsSchema,
  type TCPAccessLogEntry,
  TCPAccessLogEntrySchema,
  type TLSPropertiesSchema,
  TLSProperties_TLSVersion as TlsVersion,
  ResponseFlags_Unauthorized_Reason as UnauthorizedReason,
} from '@xebec/protos/envoy/data/accesslog/v3/accesslog';
import type { FormatContext } from '../format/context.ts';
import type { ConnectionInfo, PeerCertificate, ResponseFlag } from '../stream-info.ts';

/** What entries for an access log service have beside what every entry has. */
export interface GrpcEntryOptions {
  readonly requestHeaders: readonly string[];
  readonly responseHeaders: readonly string[];
  readonly responseTrailers: readonly string[];
  readonly customTags: ReadonlyMap<string, (context: FormatContext) => string | undefined>;
  /** Objects of the filter state by name; what they are as messages. */
  filterState(context: FormatContext): Record<string, Any>;
}

type Common = NonNullable<MessageInitShape<typeof HTTPAccessLogEntrySchema>['commonProperties']>;

/** A request as `envoy.data.accesslog.v3.HTTPAccessLogEntry`. */
export function httpAccessLogEntry(context: FormatContext, options: GrpcEntryOptions): HTTPAccessLogEntry {
  const { info, request, response, responseTrailers } = context;
  const headers = request?.headers;
  return create(HTTPAccessLogEntrySchema, {
    commonProperties: common(context, options),
    protocolVersion: versions[info.protocol] ?? HttpVersion.PROTOCOL_UNSPECIFIED,
    request: {
      ...(request === undefined
        ? {}
        : {
            scheme: request.scheme,
            authority: request.authority ?? '',
            path: request.path,
            requestMethod: methods[request.method] ?? RequestMethod.METHOD_UNSPECIFIED,
          }),
      userAgent: find(headers, 'user-agent') ?? '',
      referer: find(headers, 'referer') ?? '',
      forwardedFor: find(headers, 'x-forwarded-for') ?? '',
      requestId: find(headers, 'x-request-id') ?? '',
      originalPath: find(headers, 'x-envoy-original-path') ?? '',
      requestHeadersBytes: BigInt(
        request === undefined
          ? 0
          : bytes(request.headers) +
              bytes([':method', request.method, ':path', request.path, ':authority', request.authority ?? '', ':scheme', request.scheme]),
      ),
      requestBodyBytes: BigInt(info.bytesReceived),
      downstreamHeaderBytesReceived: BigInt(info.downstreamBytes?.headerBytesReceived ?? 0),
      upstreamHeaderBytesSent: BigInt(info.upstreamBytes?.headerBytesSent ?? 0),
      requestHeaders: {
        ...chosen(pseudoHeaders(request), options.requestHeaders),
        ...chosen(headers, options.requestHeaders),
      },
    },
    response: {
      ...(info.responseCode === 0 ? {} : { responseCode: info.responseCode }),
      responseCodeDetails: info.responseCodeDetails,
      responseHeadersBytes: BigInt(response === undefined ? 0 : bytes(response.headers) + bytes([':status', String(response.status)])),
      responseBodyBytes: BigInt(info.bytesSent),
      downstreamHeaderBytesSent: BigInt(info.downstreamBytes?.headerBytesSent ?? 0),
      upstreamHeaderBytesReceived: BigInt(info.upstreamBytes?.headerBytesReceived ?? 0),
      responseHeaders: {
        ...chosen(response === undefined ? undefined : [':status', String(response.status)], options.responseHeaders),
        ...chosen(response?.headers, options.responseHeaders),
      },
      responseTrailers: chosen(responseTrailers, options.responseTrailers),
    },
  });
}

/** A connection as `envoy.data.accesslog.v3.TCPAccessLogEntry`. */
export function tcpAccessLogEntry(context: FormatContext, options: GrpcEntryOptions): TCPAccessLogEntry {
  const { bytesReceived, bytesSent } = context.info;
  return create(TCPAccessLogEntrySchema, {
    commonProperties: common(context, options),
    connectionProperties: { receivedBytes: BigInt(bytesReceived), sentBytes: BigInt(bytesSent) },
  });
}

function common(context: FormatContext, options: GrpcEntryOptions): Common {
  const { info } = context;
  const { connection } = info;
  const customTags: Record<string, string> = {};
  for (const [name, value] of options.customTags) {
    const text = value(context);
    if (text !== undefined) customTags[name] = text;
  }
  // Of the host: without one there is no cluster either.
  const upstreamCluster = info.upstreamHost === '' ? '' : info.upstreamClusterStatName || info.upstreamCluster;
  const requestEnd = requestEndMs(context);
  return {
    downstreamRemoteAddress: address(connection.remoteAddress, connection.remotePort),
    downstreamLocalAddress: address(connection.localAddress, connection.localPort),
    downstreamDirectRemoteAddress: address(
      connection.directRemoteAddress ?? connection.remoteAddress,
      connection.directRemotePort ?? connection.remotePort,
    ),
    ...(connection.tls === undefined ? {} : { tlsProperties: tlsProperties(connection) }),
    startTime: timestampFromMs(info.startTimeMs),
    ...(requestEnd < 0 ? {} : { timeToLastRxByte: duration(requestEnd) }),
    ...(info.responseDurationMs < 0 ? {} : { timeToFirstUpstreamRxByte: duration(info.responseDurationMs) }),
    ...(answered(context) ? { timeToLastDownstreamTxByte: duration(info.durationMs) } : {}),
    ...(info.durationMs < 0 ? {} : { duration: duration(info.durationMs) }),
    ...(info.upstreamHost === '' ? {} : { upstreamRemoteAddress: addressOf(info.upstreamHost) }),
    ...(info.upstreamLocalAddress === '' ? {} : { upstreamLocalAddress: addressOf(info.upstreamLocalAddress) }),
    upstreamCluster,
    ...(info.responseFlags.size === 0 ? {} : { responseFlags: responseFlags(info.responseFlags) }),
    ...(info.dynamicMetadata.size === 0 ? {} : { metadata: create(MetadataSchema, { filterMetadata: metadata(info.dynamicMetadata) }) }),
    upstreamTransportFailureReason: info.upstreamTransportFailureReason,
    routeName: info.routeName,
    filterStateObjects: options.filterState(context),
    customTags,
    upstreamRequestAttemptCount: info.attemptCount,
    connectionTerminationDetails: info.connectionTerminationDetails,
    streamId:
      find(context.request?.headers, 'x-request-id') ?? (context.request === undefined ? `${connection.id}-${info.startTimeMs}` : ''),
    downstreamWireBytesSent: BigInt(info.downstreamBytes?.wireBytesSent ?? 0),
    downstreamWireBytesReceived: BigInt(info.downstreamBytes?.wireBytesReceived ?? 0),
    upstreamWireBytesSent: BigInt(info.upstreamBytes?.wireBytesSent ?? 0),
    upstreamWireBytesReceived: BigInt(info.upstreamBytes?.wireBytesReceived ?? 0),
    accessLogType: logTypes[context.accessLogType ?? 'NotSet'] ?? AccessLogType.NotSet,
  };
}

/** Whether a response went out to its end. */
const answered = ({ info, request }: FormatContext): boolean =>
  request !== undefined && info.durationMs >= 0 && info.responseCode > 0 && !info.responseFlags.has('DC');

function pseudoHeaders(request: FormatContext['request']): string[] | undefined {
  if (request === undefined) return undefined;
  return [':method', request.method, ':path', request.path, ':authority', request.authority ?? '', ':scheme', request.scheme];
}

/** When the request had been received whole: at once where it has no body. */
function requestEndMs({ info, request }: FormatContext): number {
  if (info.requestDurationMs >= 0 || request === undefined) return info.requestDurationMs;
  const length = find(request.headers, 'content-length') ?? '0';
  return length === '0' && find(request.headers, 'transfer-encoding') === undefined ? 0 : -1;
}

const versions: Readonly<Record<string, HttpVersion>> = {
  'HTTP/1.0': HttpVersion.HTTP10,
  'HTTP/1.1': HttpVersion.HTTP11,
  'HTTP/2': HttpVersion.HTTP2,
  'HTTP/3': HttpVersion.HTTP3,
};

const methods: Readonly<Record<string, RequestMethod>> = {
  GET: RequestMethod.GET,
  HEAD: RequestMethod.HEAD,
  POST: RequestMethod.POST,
  PUT: RequestMethod.PUT,
  DELETE: RequestMethod.DELETE,
  CONNECT: RequestMethod.CONNECT,
  OPTIONS: RequestMethod.OPTIONS,
  TRACE: RequestMethod.TRACE,
  PATCH: RequestMethod.PATCH,
};

const logTypes: Readonly<Record<string, AccessLogType | undefined>> = {
  NotSet: AccessLogType.NotSet,
  TcpUpstreamConnected: AccessLogType.TcpUpstreamConnected,
  TcpPeriodic: AccessLogType.TcpPeriodic,
  TcpConnectionEnd: AccessLogType.TcpConnectionEnd,
  DownstreamStart: AccessLogType.DownstreamStart,
  DownstreamPeriodic: AccessLogType.DownstreamPeriodic,
  DownstreamEnd: AccessLogType.DownstreamEnd,
  DownstreamTunnelSuccessfullyEstablished: AccessLogType.DownstreamTunnelSuccessfullyEstablished,
};

const tlsVersions: Readonly<Record<string, TlsVersion>> = {
  TLSv1: TlsVersion.TLSv1,
  'TLSv1.1': TlsVersion.TLSv1_1,
  'TLSv1.2': TlsVersion.TLSv1_2,
  'TLSv1.3': TlsVersion.TLSv1_3,
};

/** Numbers of cipher suites (IANA TLS registry) by OpenSSL's names. */
const cipherSuites: Readonly<Record<string, number | undefined>> = {
  TLS_AES_128_GCM_SHA256: 0x1301,
  TLS_AES_256_GCM_SHA384: 0x1302,
  TLS_CHACHA20_POLY1305_SHA256: 0x1303,
  'ECDHE-ECDSA-AES128-GCM-SHA256': 0xc02b,
  'ECDHE-ECDSA-AES256-GCM-SHA384': 0xc02c,
  'ECDHE-RSA-AES128-GCM-SHA256': 0xc02f,
  'ECDHE-RSA-AES256-GCM-SHA384': 0xc030,
  'ECDHE-RSA-CHACHA20-POLY1305': 0xcca8,
  'ECDHE-ECDSA-CHACHA20-POLY1305': 0xcca9,
};

function tlsProperties({ tls, requestedServerName }: ConnectionInfo): MessageInitShape<typeof TLSPropertiesSchema> {
  // As Envoy fills it in: names that are URIs only.
  const certificate = (from: PeerCertificate | undefined) =>
    from === undefined
      ? {}
      : { subject: from.subject, subjectAltName: from.uriSans.map((value) => ({ san: { case: 'uri' as const, value } })) };
  const suite = cipherSuites[tls?.cipher ?? ''];
  return {
    tlsVersion: tlsVersions[tls?.version ?? ''] ?? TlsVersion.VERSION_UNSPECIFIED,
    ...(suite === undefined ? {} : { tlsCipherSuite: suite }),
    tlsSniHostname: requestedServerName,
    localCertificateProperties: certificate(tls?.localCertificate),
    peerCertificateProperties: { ...certificate(tls?.peer), ...(tls?.peer === undefined ? {} : { issuer: tls.peer.issuer ?? '' }) },
  };
}

type FlagField = { [K in keyof ResponseFlags]: ResponseFlags[K] extends boolean ? K : never }[keyof ResponseFlags];

const flagFields: Readonly<Partial<Record<ResponseFlag, FlagField>>> = {
  LH: 'failedLocalHealthcheck',
  UH: 'noHealthyUpstream',
  UT: 'upstreamRequestTimeout',
  LR: 'localReset',
  UR: 'upstreamRemoteReset',
  UF: 'upstreamConnectionFailure',
  UC: 'upstreamConnectionTermination',
  UO: 'upstreamOverflow',
  NR: 'noRouteFound',
  DI: 'delayInjected',
  FI: 'faultInjected',
  RL: 'rateLimited',
  RLSE: 'rateLimitServiceError',
  DC: 'downstreamConnectionTermination',
  URX: 'upstreamRetryLimitExceeded',
  SI: 'streamIdleTimeout',
  IH: 'invalidEnvoyRequestHeaders',
  DPE: 'downstreamProtocolError',
  UMSDR: 'upstreamMaxStreamDurationReached',
  NFCF: 'noFilterConfigFound',
  DT: 'durationTimeout',
  UPE: 'upstreamProtocolError',
  NC: 'noClusterFound',
  OM: 'overloadManager',
  DF: 'dnsResolutionFailure',
  DR: 'downstreamRemoteReset',
};

function responseFlags(flags: ReadonlySet<ResponseFlag>): ResponseFlags {
  const message = create(ResponseFlagsSchema, {
    ...(flags.has('UAEX') ? { unauthorizedDetails: { reason: UnauthorizedReason.EXTERNAL_SERVICE } } : {}),
  });
  for (const flag of flags) {
    const field = flagFields[flag];
    if (field !== undefined) message[field] = true;
  }
  return message;
}

/** Only what JSON can say. */
function metadata(values: ReadonlyMap<string, Record<string, unknown>>): Record<string, Record<string, never>> {
  // A plain object is what protobuf-es takes for a Struct; what is not JSON is left out on the way.
  return JSON.parse(JSON.stringify(Object.fromEntries(values)));
}

function address(host: string, port: number): Address {
  return create(AddressSchema, {
    address: { case: 'socketAddress', value: { address: host, portSpecifier: { case: 'portValue', value: port } } },
  });
}

/** `host:port`, `[v6]:port`, or a path. */
function addressOf(text: string): Address {
  const match = /^\[?(.*?)\]?:(\d+)$/.exec(text);
  return match === null
    ? create(AddressSchema, { address: { case: 'pipe', value: { path: text } } })
    : address(match[1] ?? '', Number(match[2]));
}

function duration(ms: number): Duration {
  const seconds = Math.floor(ms / 1000);
  return create(DurationSchema, { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1000) * 1e6) });
}

function chosen(headers: readonly string[] | undefined, names: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  if (headers === undefined) return found;
  for (const name of names) {
    const values = headers.filter((_, i) => i % 2 === 1 && headers[i - 1] === name);
    if (values.length > 0) found[name] = values.join(',');
  }
  return found;
}

function bytes(headers: readonly string[]): number {
  let sum = 0;
  for (const part of headers) sum += part.length;
  return sum;
}

function find(headers: readonly string[] | undefined, name: string): string | undefined {
  if (headers === undefined) return undefined;
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1];
  return undefined;
}
