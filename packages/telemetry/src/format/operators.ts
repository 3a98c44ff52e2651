import { createHash } from 'node:crypto';
import { XebecError } from '@xebec/core';
import { compileValueExpression } from '../access-log/condition.ts';
import { responseFlagsLongText, responseFlagsText } from '../response-flags.ts';
import type { PeerCertificate, ResponseFlag, StreamInfo } from '../stream-info.ts';
import type { FormatContext, FormatEnvironment, FormatRequest, FormatValue } from './context.ts';
import { grpcStatusOf } from './grpc-status-of.ts';
import { compileTimeFormat } from './start-time.ts';

export type Operator = (context: FormatContext) => FormatValue;
type Factory = (argument: string, environment: FormatEnvironment) => Operator;

function find(headers: readonly string[] | undefined, name: string): string | undefined {
  if (headers === undefined) return undefined;
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1];
  return undefined;
}

function requestHeader(request: FormatRequest | undefined, name: string): string | undefined {
  if (request === undefined) return undefined;
  switch (name) {
    case ':method':
      return request.method;
    case ':path':
      return request.path === '' ? undefined : request.path;
    case ':authority':
    case 'host':
      return request.authority;
    case ':scheme':
      return request.scheme;
    default:
      return find(request.headers, name);
  }
}

/** `X?Y`: the first name, else the second. */
function named(argument: string, read: (context: FormatContext, name: string) => FormatValue): Operator {
  const [first = '', second, third] = argument.toLowerCase().split('?');
  if (third !== undefined) throw new XebecError('E_FORMAT', `More than 1 alternative header specified in token: ${argument}`);
  if (first === '') throw new XebecError('E_FORMAT', 'a header operator needs a header name in parentheses');
  if (second === undefined) return (context) => read(context, first);
  return (context) => read(context, first) ?? read(context, second);
}

/** Walks `ns:key:key` or `["ns","key"]` into nested records. */
function path(argument: string): string[] {
  const trimmed = argument.trim();
  if (!trimmed.startsWith('[')) return trimmed.split(':');
  const parsed: unknown = JSON.parse(trimmed);
  return Array.isArray(parsed) ? parsed.map(String) : [];
}

function dig(value: unknown, keys: readonly string[]): FormatValue {
  let current = value;
  for (const key of keys) {
    if (typeof current !== 'object' || current === null) return undefined;
    current = Reflect.get(current, key);
  }
  return formatValue(current);
}

function formatValue(value: unknown): FormatValue {
  if (value === null || value === undefined) return undefined;
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  if (typeof value === 'object') return value;
  return String(value);
}

const text = (value: string): FormatValue => (value === '' ? undefined : value);
const elapsed = (ms: number): FormatValue => (ms < 0 ? undefined : Math.round(ms));
const constant =
  (operator: Operator): Factory =>
  () =>
    operator;
const stripPort = (address: string) => address.replace(/:\d+$/, '');
/** Only when there was a connection. */
const connected =
  (read: (context: FormatContext) => FormatValue): Factory =>
  () =>
  (context) =>
    context.info.upstreamLocalAddress === '' ? undefined : read(context);
const certificateFormat = '%b %e %H:%M:%S %Y GMT';
const portOf = (address: string): FormatValue => {
  const match = /:(\d+)$/.exec(address);
  return match === null ? undefined : Number(match[1]);
};
/** `127.0.0.0/16` of an IPv4 address, `x::/64` of an IPv6 one: addresses in logs without the person behind them. */
const masked = (argument: string, read: (context: FormatContext) => string): Operator => {
  if (argument === '') return (context) => text(read(context));
  const bits = Number(argument);
  if (!Number.isInteger(bits) || bits < 0 || bits > 128)
    throw new XebecError('E_FORMAT', `"${argument}" is not a length of an address mask`);
  return (context) => text(maskAddress(read(context), bits));
};
const joinAddress = (address: string, port: number) => (address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`);
const peerFactory = (read: (peer: PeerCertificate) => FormatValue): Factory =>
  constant((context) => {
    const peer = context.info.connection.tls?.peer;
    return peer === undefined ? undefined : read(peer);
  });
const upstreamPeer = (read: (peer: PeerCertificate) => FormatValue): Factory =>
  constant((context) => (context.info.upstreamPeer === undefined ? undefined : read(context.info.upstreamPeer)));
/** Every host that was tried; of HTTP only the one that the last try reached. */
const attempted = (read: (host: { readonly address: string; readonly name: string }) => string): Factory =>
  constant(({ info }) => {
    if (info.attemptedHosts !== undefined) return list(info.attemptedHosts.map(read));
    if (info.upstreamLocalAddress === '') return undefined;
    return text(read({ address: info.upstreamHost, name: info.upstreamHostName || info.upstreamHost }));
  });
const upstreamLocal = (read: (certificate: PeerCertificate) => readonly string[] | undefined): Factory =>
  constant(({ info }) => {
    const certificate = info.upstreamConnection?.localCertificate;
    return certificate === undefined ? undefined : list(read(certificate) ?? []);
  });
/** Ends that cut a response off. */
const cuts: readonly ResponseFlag[] = ['UC', 'UR', 'UPE', 'DC', 'SI', 'DT'];
const wasCut = (info: StreamInfo): boolean => info.hasResponseFlags !== false && cuts.some((flag) => info.responseFlags.has(flag));
const list = (values: readonly string[]) => text(values.join(','));
const time = (argument: string, read: (context: FormatContext) => number | undefined): Operator => {
  const format = compileTimeFormat(argument);
  return (context) => {
    const value = read(context);
    return value === undefined ? undefined : format(value);
  };
};

const localFormat = '%Y-%m-%dT%H:%M:%S.%3f%z';
const absent: Factory = () => () => undefined;
const empty: Factory = () => () => '';

const grpcNames = [
  'OK',
  'Canceled',
  'Unknown',
  'InvalidArgument',
  'DeadlineExceeded',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'ResourceExhausted',
  'FailedPrecondition',
  'Aborted',
  'OutOfRange',
  'Unimplemented',
  'Internal',
  'Unavailable',
  'DataLoss',
  'Unauthenticated',
];

function grpcStatus(context: FormatContext): number | undefined {
  // Only calls have one, whatever an answer says.
  if (!/^application\/grpc(\+|$)/.test(find(context.request?.headers, 'content-type') ?? '')) return undefined;
  const value = find(context.responseTrailers, 'grpc-status') ?? find(context.response?.headers, 'grpc-status');
  if (value !== undefined) return /^\d+$/.test(value) ? Number(value) : undefined;
  // One that was answered without a status has the one that its HTTP status stands for.
  return context.info.responseCode > 0 ? grpcStatusOf(context.info.responseCode) : undefined;
}

/** Access-log command operators (Envoy: access log usage); the same serve header values, tags and local replies. */
const factories: Readonly<Record<string, Factory>> = {
  REQ: (argument) => named(argument, (context, name) => requestHeader(context.request, name)),
  REQ_WITHOUT_QUERY: (argument) => named(argument, (context, name) => requestHeader(context.request, name)?.split('?')[0]),
  RESP: (argument) =>
    named(argument, (context, name) =>
      name === ':status'
        ? context.response === undefined
          ? undefined
          : String(context.response.status)
        : find(context.response?.headers, name),
    ),
  TRAILER: (argument) => named(argument, (context, name) => find(context.responseTrailers, name)),
  PATH: (argument) => {
    const [kind = '', source = ''] = argument.split(':');
    if (!['', 'WQ', 'NQ'].includes(kind)) throw new XebecError('E_FORMAT', `PATH: "${kind}" is neither WQ nor NQ`);
    if (!['', 'ORIG', 'PATH', 'ORIG_OR_PATH'].includes(source))
      throw new XebecError('E_FORMAT', `PATH: "${source}" is neither ORIG nor PATH nor ORIG_OR_PATH`);
    return ({ request }) => {
      const original = find(request?.headers, 'x-envoy-original-path');
      const whole = source === 'PATH' ? request?.path : source === 'ORIG' ? original : (original ?? request?.path);
      return kind === 'NQ' ? whole?.split('?')[0] : whole;
    };
  },
  QUERY_PARAM: (argument) => (context) => {
    const path = context.request?.path ?? '';
    const at = path.indexOf('?');
    // A plus stays a plus, as in Envoy.
    return at === -1 ? undefined : (new URLSearchParams(path.slice(at + 1).replaceAll('+', '%2B')).get(argument) ?? undefined);
  },
  QUERY_PARAMS: constant(({ request }) => {
    const path = request?.path ?? '';
    const at = path.indexOf('?');
    return at === -1 ? undefined : text(path.slice(at + 1));
  }),
  COALESCE: coalesce,
  CEL: (argument) => {
    const value = compileValueExpression(argument);
    return (context) => {
      const found = value(context);
      return found === undefined ? undefined : String(found);
    };
  },
  START_TIME: (argument) => time(argument, (context) => context.info.startTimeMs),
  START_TIME_LOCAL: (argument) => time(argument === '' ? localFormat : argument, (context) => context.info.startTimeMs),
  EMIT_TIME: (argument, { now }) => time(argument, () => now?.()),
  EMIT_TIME_LOCAL: (argument, { now }) => time(argument === '' ? localFormat : argument, () => now?.()),
  COMMON_DURATION: commonDuration,
  REQUEST_TX_DURATION: constant(({ info }) => (info.upstreamLocalAddress === '' ? undefined : elapsed(info.requestDurationMs))),
  ROUNDTRIP_DURATION: absent,
  DOWNSTREAM_HANDSHAKE_DURATION: absent,
  UPSTREAM_CONNECTION_POOL_READY_DURATION: absent,
  DURATION: constant(({ info }) => elapsed(info.durationMs)),
  REQUEST_DURATION: constant((context) => elapsed(requestEndMs(context))),
  RESPONSE_DURATION: connected(({ info }) => elapsed(info.responseDurationMs)),
  RESPONSE_TX_DURATION: connected(({ info }) =>
    info.durationMs < 0 || info.responseDurationMs < 0 || wasCut(info)
      ? undefined
      : elapsed(Math.max(0, info.durationMs - info.responseDurationMs)),
  ),
  BYTES_RECEIVED: constant(({ info }) => info.bytesReceived),
  BYTES_SENT: constant(({ info }) => info.bytesSent),
  PROTOCOL: constant(({ info }) => text(info.protocol)),
  RESPONSE_CODE: constant(({ info }) => info.responseCode),
  RESPONSE_CODE_DETAILS: (argument) => {
    if (argument === 'ALLOW_WHITESPACES') return ({ info }) => text(info.responseCodeDetails);
    if (argument !== '') throw new XebecError('E_FORMAT', `RESPONSE_CODE_DETAILS: "${argument}" is not ALLOW_WHITESPACES`);
    return ({ info }) => text(info.responseCodeDetails.replaceAll(' ', '_'));
  },
  REQUEST_HEADERS_BYTES: constant(({ request }) =>
    request === undefined
      ? 0
      : bytesOf(request.headers) +
        bytesOf([':method', request.method, ':path', request.path, ':authority', request.authority ?? '', ':scheme', request.scheme]),
  ),
  RESPONSE_HEADERS_BYTES: constant(({ response }) =>
    response === undefined ? 0 : bytesOf(response.headers) + bytesOf([':status', String(response.status)]),
  ),
  RESPONSE_TRAILERS_BYTES: constant(({ responseTrailers }) => bytesOf(responseTrailers ?? [])),
  UPSTREAM_PROTOCOL: constant(({ info }) => text(info.upstreamProtocol ?? '')),
  LISTENER_NAME: constant(({ info }) => text(info.connection.listenerName)),
  UNIQUE_ID:
    (_, { uuid }) =>
    () =>
      uuid?.(),
  RESPONSE_FLAGS: constant(({ info }) => responseFlagsText(info.responseFlags)),
  RESPONSE_FLAGS_LONG: constant(({ info }) => responseFlagsLongText(info.responseFlags)),
  CONNECTION_ID: constant(({ info }) => info.connection.id),
  CONNECTION_TERMINATION_DETAILS: constant(({ info }) => text(info.connectionTerminationDetails)),
  UPSTREAM_HOST: constant(({ info }) => text(info.upstreamHost)),
  UPSTREAM_HOST_NAME: constant(({ info }) => text(info.upstreamHostName || info.upstreamHost)),
  UPSTREAM_HOST_NAME_WITHOUT_PORT: constant(({ info }) => text(stripPort(info.upstreamHostName || info.upstreamHost))),
  UPSTREAM_HOSTS_ATTEMPTED: attempted(({ address }) => address),
  UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT: attempted(({ address }) => stripPort(address)),
  UPSTREAM_HOST_NAMES_ATTEMPTED: attempted(({ name }) => name),
  UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT: attempted(({ name }) => stripPort(name)),
  // Envoy has 0 where there was none.
  UPSTREAM_CONNECTION_ID: constant(({ info }) => info.upstreamConnection?.id ?? 0),
  UPSTREAM_CONNECTION_IDS_ATTEMPTED: constant(({ info }) => text(String(info.upstreamConnection?.id ?? ''))),
  UPSTREAM_CLUSTER: constant(({ info }) =>
    info.responseFlags.has('NC') ? undefined : text(info.upstreamClusterStatName || info.upstreamCluster),
  ),
  UPSTREAM_CLUSTER_RAW: constant(({ info }) => (info.responseFlags.has('NC') ? undefined : text(info.upstreamCluster))),
  UPSTREAM_LOCAL_ADDRESS: constant(({ info }) => text(info.upstreamLocalAddress)),
  UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: constant(({ info }) => text(stripPort(info.upstreamLocalAddress))),
  UPSTREAM_LOCAL_PORT: constant(({ info }) => portOf(info.upstreamLocalAddress)),
  UPSTREAM_REMOTE_ADDRESS: connected(({ info }) => text(info.upstreamHost)),
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: connected(({ info }) => text(stripPort(info.upstreamHost))),
  UPSTREAM_REMOTE_PORT: connected(({ info }) => portOf(info.upstreamHost)),
  UPSTREAM_TRANSPORT_FAILURE_REASON: constant(({ info }) => text(info.upstreamTransportFailureReason.replaceAll(' ', '_'))),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: constant(({ info }) => info.attemptCount),
  UPSTREAM_PEER_SUBJECT: upstreamPeer((peer) => text(peer.subject)),
  UPSTREAM_PEER_URI_SAN: upstreamPeer((peer) => list(peer.uriSans)),
  UPSTREAM_PEER_DNS_SAN: upstreamPeer((peer) => list(peer.dnsSans)),
  UPSTREAM_PEER_ISSUER: upstreamPeer((peer) => peer.issuer),
  UPSTREAM_PEER_CERT: upstreamPeer((peer) => text(encodeURIComponent(peer.pem))),
  UPSTREAM_PEER_CERT_V_START: (argument) =>
    time(argument === '' ? certificateFormat : argument, ({ info }) => info.upstreamPeer?.notBeforeMs),
  UPSTREAM_PEER_CERT_V_END: (argument) => time(argument === '' ? certificateFormat : argument, ({ info }) => info.upstreamPeer?.notAfterMs),
  UPSTREAM_PEER_IP_SAN: upstreamPeer((peer) => list(peer.ipSans ?? [])),
  UPSTREAM_TLS_VERSION: constant(({ info }) => text(info.upstreamConnection?.tlsDetails?.version ?? '')),
  UPSTREAM_TLS_CIPHER: constant(({ info }) => text(info.upstreamConnection?.tlsDetails?.cipher ?? '')),
  UPSTREAM_TLS_SESSION_ID: constant(({ info }) => text(info.upstreamConnection?.tlsDetails?.sessionId ?? '')),
  UPSTREAM_TLS_GROUP: absent,
  UPSTREAM_LOCAL_DNS_SAN: upstreamLocal(({ dnsSans }) => dnsSans),
  UPSTREAM_LOCAL_IP_SAN: upstreamLocal(({ ipSans }) => ipSans),
  UPSTREAM_LOCAL_URI_SAN: upstreamLocal(({ uriSans }) => uriSans),
  UPSTREAM_SERVER_NAME: constant(({ info }) => text(info.upstreamConnection?.tlsDetails?.serverName ?? '')),
  UPSTREAM_DETECTED_CLOSE_TYPE: constant(({ info }) => (info.upstreamHost === '' ? undefined : 'Normal')),
  // Of the reasons known here those concern the upstream that come once there is one.
  UPSTREAM_LOCAL_CLOSE_REASON: constant(({ info }) => (info.upstreamLocalAddress === '' ? undefined : text(info.localCloseReason ?? ''))),
  UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID: connected(() => ''),
  UPSTREAM_FILTER_STATE: absent,
  UPSTREAM_WIRE_BYTES_SENT: constant(({ info }) => info.upstreamBytes?.wireBytesSent ?? 0),
  UPSTREAM_WIRE_BYTES_RECEIVED: constant(({ info }) => info.upstreamBytes?.wireBytesReceived ?? 0),
  UPSTREAM_HEADER_BYTES_SENT: constant(({ info }) => info.upstreamBytes?.headerBytesSent ?? 0),
  UPSTREAM_HEADER_BYTES_RECEIVED: constant(({ info }) => info.upstreamBytes?.headerBytesReceived ?? 0),
  UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT: constant(({ info }) => info.upstreamBytes?.decompressedHeaderBytesSent ?? 0),
  UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED: constant(({ info }) => info.upstreamBytes?.decompressedHeaderBytesReceived ?? 0),
  DOWNSTREAM_WIRE_BYTES_SENT: constant(({ info }) => info.downstreamBytes?.wireBytesSent ?? 0),
  DOWNSTREAM_WIRE_BYTES_RECEIVED: constant(({ info }) => info.downstreamBytes?.wireBytesReceived ?? 0),
  DOWNSTREAM_HEADER_BYTES_SENT: constant(({ info }) => info.downstreamBytes?.headerBytesSent ?? 0),
  DOWNSTREAM_HEADER_BYTES_RECEIVED: constant(({ info }) => info.downstreamBytes?.headerBytesReceived ?? 0),
  DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT: constant(({ info }) => info.downstreamBytes?.decompressedHeaderBytesSent ?? 0),
  DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED: constant(({ info }) => info.downstreamBytes?.decompressedHeaderBytesReceived ?? 0),
  DOWNSTREAM_CX_RTT: absent,
  BYTES_RETRANSMITTED: absent,
  PACKETS_RETRANSMITTED: absent,
  DOWNSTREAM_DETECTED_CLOSE_TYPE: constant(() => 'Normal'),
  DOWNSTREAM_LOCAL_CLOSE_REASON: constant(({ info }) => text(info.localCloseReason ?? '')),
  DOWNSTREAM_TRANSPORT_FAILURE_REASON: absent,
  DOWNSTREAM_TLS_SESSION_ID: absent,
  DOWNSTREAM_TLS_GROUP: absent,
  DOWNSTREAM_LOCAL_DNS_SAN: constant(({ info }) => text(info.connection.tls?.localCertificate?.dnsSans.join(',') ?? '')),
  DOWNSTREAM_LOCAL_IP_SAN: constant(({ info }) => list(info.connection.tls?.localCertificate?.ipSans ?? [])),
  DOWNSTREAM_LOCAL_EMAIL_SAN: constant(({ info }) => list(info.connection.tls?.localCertificate?.emailSans ?? [])),
  DOWNSTREAM_LOCAL_OTHERNAME_SAN: absent,
  DOWNSTREAM_LOCAL_SUBJECT: constant(({ info }) => text(info.connection.tls?.localCertificate?.subject ?? '')),
  DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID: empty,
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID: empty,
  DOWNSTREAM_PEER_IP_SAN: peerFactory((peer) => list(peer.ipSans ?? [])),
  DOWNSTREAM_PEER_EMAIL_SAN: peerFactory((peer) => list(peer.emailSans ?? [])),
  DOWNSTREAM_PEER_OTHERNAME_SAN: absent,
  DOWNSTREAM_PEER_FINGERPRINT_1: peerFactory((peer) => fingerprint1(peer.pem)),
  DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256: peerFactory((peer) => text(peer.sha256)),
  DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1: peerFactory((peer) => fingerprint1(peer.pem)),
  DOWNSTREAM_PEER_CHAIN_SERIALS: peerFactory((peer) => peer.serial),
  DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256: absent,
  DOWNSTREAM_PEER_ISSUER_SERIAL: absent,
  TLS_JA3_FINGERPRINT: absent,
  TLS_JA4_FINGERPRINT: absent,
  DOWNSTREAM_LOCAL_ADDRESS: constant(({ info }) => joinAddress(info.connection.localAddress, info.connection.localPort)),
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: (argument) => masked(argument, ({ info }) => info.connection.localAddress),
  DOWNSTREAM_LOCAL_PORT: constant(({ info }) => info.connection.localPort),
  DOWNSTREAM_REMOTE_ADDRESS: constant(({ info }) => joinAddress(info.connection.remoteAddress, info.connection.remotePort)),
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: (argument) => masked(argument, ({ info }) => info.connection.remoteAddress),
  DOWNSTREAM_REMOTE_PORT: constant(({ info }) => info.connection.remotePort),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: constant(({ info }) =>
    joinAddress(
      info.connection.directRemoteAddress ?? info.connection.remoteAddress,
      info.connection.directRemotePort ?? info.connection.remotePort,
    ),
  ),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: (argument) =>
    masked(argument, ({ info }) => info.connection.directRemoteAddress ?? info.connection.remoteAddress),
  DOWNSTREAM_DIRECT_REMOTE_PORT: constant(({ info }) => info.connection.directRemotePort ?? info.connection.remotePort),
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS: constant(({ info }) => joinAddress(info.connection.localAddress, info.connection.localPort)),
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT: (argument) => masked(argument, ({ info }) => info.connection.localAddress),
  DOWNSTREAM_DIRECT_LOCAL_PORT: constant(({ info }) => info.connection.localPort),
  DOWNSTREAM_TLS_VERSION: constant(({ info }) => info.connection.tls?.version),
  DOWNSTREAM_TLS_CIPHER: constant(({ info }) => info.connection.tls?.cipher),
  DOWNSTREAM_PEER_URI_SAN: peerFactory((peer) => list(peer.uriSans)),
  DOWNSTREAM_PEER_DNS_SAN: peerFactory((peer) => list(peer.dnsSans)),
  DOWNSTREAM_PEER_SUBJECT: peerFactory((peer) => text(peer.subject)),
  DOWNSTREAM_PEER_ISSUER: peerFactory((peer) => peer.issuer),
  DOWNSTREAM_PEER_SERIAL: peerFactory((peer) => peer.serial),
  DOWNSTREAM_PEER_FINGERPRINT_256: peerFactory((peer) => text(peer.sha256)),
  DOWNSTREAM_PEER_CERT: peerFactory((peer) => text(encodeURIComponent(peer.pem))),
  DOWNSTREAM_PEER_CERT_V_START: (argument) =>
    time(argument === '' ? certificateFormat : argument, ({ info }) => info.connection.tls?.peer?.notBeforeMs),
  DOWNSTREAM_PEER_CERT_V_END: (argument) =>
    time(argument === '' ? certificateFormat : argument, ({ info }) => info.connection.tls?.peer?.notAfterMs),
  DOWNSTREAM_LOCAL_URI_SAN: constant(({ info }) => info.connection.tls?.localUriSan),
  REQUESTED_SERVER_NAME: (argument) => {
    const [kind = ''] = argument.split(':');
    if (!['', 'SNI_ONLY', 'SNI_FIRST', 'HOST_FIRST'].includes(kind))
      throw new XebecError('E_FORMAT', `REQUESTED_SERVER_NAME: "${kind}" is none of SNI_ONLY, SNI_FIRST, HOST_FIRST`);
    return ({ info }) => text(info.connection.requestedServerName);
  },
  ROUTE_NAME: constant(({ info }) => text(info.routeName)),
  VIRTUAL_CLUSTER_NAME: constant(({ info }) => text(info.virtualClusterName ?? '')),
  FILTER_CHAIN_NAME: constant(({ info }) => text(info.connection.filterChainName)),
  GRPC_STATUS: (argument) => {
    if (!['', 'CAMEL_STRING', 'SNAKE_STRING', 'NUMBER'].includes(argument))
      throw new XebecError('E_FORMAT', `GrpcStatusFormatter only supports CAMEL_STRING, SNAKE_STRING or NUMBER. Got: ${argument}`);
    if (argument === 'NUMBER') return grpcStatus;
    return (context) => {
      const status = grpcStatus(context);
      if (status === undefined) return undefined;
      const name = grpcNames[status];
      if (name === undefined) return String(status);
      return argument === 'SNAKE_STRING' ? name.replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => `_${letter}`).toUpperCase() : name;
    };
  },
  GRPC_STATUS_NUMBER: constant(grpcStatus),
  DYNAMIC_METADATA: (argument) => {
    const [namespace = '', ...keys] = path(argument);
    return ({ info }) => dig(info.dynamicMetadata.get(namespace), keys);
  },
  CLUSTER_METADATA: (argument) => metadataOf(argument, 'CLUSTER'),
  UPSTREAM_METADATA: (argument) => metadataOf(argument, 'UPSTREAM_HOST'),
  METADATA: (argument) => {
    const [source = '', ...rest] = path(argument);
    return metadataOf(rest.join(':'), source);
  },
  FILTER_STATE: (argument) => {
    const [key = '', kind = 'TYPED'] = argument.split(':');
    return ({ info }) => {
      const value = formatValue(info.filterState.get(key));
      return kind === 'PLAIN' && typeof value === 'object' ? JSON.stringify(value) : value;
    };
  },
  ENVIRONMENT: (argument, environment) => {
    const value = environment.env[argument] ?? '-';
    return () => value;
  },
  HOSTNAME: (_, environment) => () => environment.hostname,
  // An HTTP request is called by its request id, or not at all.
  STREAM_ID: constant(
    ({ request, info }) =>
      find(request?.headers, 'x-request-id') ?? (info.protocol === '' ? `${info.connection.id}-${info.startTimeMs}` : undefined),
  ),
  TRACE_ID: constant((context) => context.traceId),
  SPAN_ID: constant((context) => context.spanId),
  ACCESS_LOG_TYPE: constant((context) => context.accessLogType ?? 'NotSet'),
  LOCAL_REPLY_BODY: constant((context) => context.localReplyBody ?? ''),
  CUSTOM_FLAGS: empty,
};

function metadataOf(argument: string, source: string): Operator {
  const [namespace = '', ...keys] = path(argument);
  switch (source) {
    case 'DYNAMIC':
      return ({ info }) => dig(info.dynamicMetadata.get(namespace), keys);
    case 'CLUSTER':
      return ({ info }) => dig(info.clusterMetadata?.[namespace], keys);
    case 'ROUTE':
      return ({ info }) => dig(info.routeMetadata?.[namespace], keys);
    case 'LISTENER':
      return ({ info }) => dig(info.connection.listenerMetadata?.[namespace], keys);
    case 'LISTENER_FILTER_CHAIN':
      return ({ info }) => dig(info.connection.filterChainMetadata?.[namespace], keys);
    case 'VIRTUAL_HOST':
      return ({ info }) => dig(info.virtualHostMetadata?.[namespace], keys);
    case 'UPSTREAM_HOST':
      return ({ info }) => dig(info.upstreamHostMetadata?.[namespace], keys);
    default:
      throw new XebecError('E_FORMAT', `METADATA source "${source}" is unknown; use DYNAMIC, CLUSTER, ROUTE or UPSTREAM_HOST`);
  }
}

/** Time between two points of a stream that is known to be measured; other points are absent. */
function commonDuration(argument: string): Operator {
  const [start = '', end = '', unit = ''] = argument.split(':');
  const factor = { ms: 1, us: 1000, ns: 1_000_000 }[unit];
  if (factor === undefined || start === '' || end === '')
    throw new XebecError('E_FORMAT', `COMMON_DURATION(${argument}): want START:END:ms, us or ns`);
  const point = (name: string): ((context: FormatContext) => number) => {
    switch (name) {
      case 'DS_RX_BEG':
        return () => 0;
      case 'DS_RX_END':
        return requestEndMs;
      case 'US_RX_BEG':
        return ({ info }) => info.responseDurationMs;
      case 'DS_TX_END':
        return ({ info }) => info.durationMs;
      default:
        return () => -1;
    }
  };
  const [from, to] = [point(start), point(end)];
  return (context) => {
    const [a, b] = [from(context), to(context)];
    return a < 0 || b < 0 ? undefined : Math.round((b - a) * factor);
  };
}

/** `COALESCE({"operators": [...]})`: the first operator that has a value. */
function coalesce(argument: string, environment: FormatEnvironment): Operator {
  if (argument === '') throw new XebecError('E_FORMAT', 'COALESCE requires parameters');
  let parsed: unknown;
  try {
    parsed = JSON.parse(argument);
  } catch (cause) {
    throw new XebecError('E_FORMAT', `COALESCE: failed to parse JSON configuration: ${String(cause)}`);
  }
  const list: unknown = typeof parsed === 'object' && parsed !== null ? Reflect.get(parsed, 'operators') : undefined;
  if (!Array.isArray(list) || list.length === 0) throw new XebecError('E_FORMAT', 'COALESCE: "operators" must list at least one operator');
  const operators = list.map((entry: unknown) => {
    if (typeof entry === 'string') return compileOperator(entry, '', environment);
    const read = (name: string): unknown => (typeof entry === 'object' && entry !== null ? Reflect.get(entry, name) : undefined);
    return compileOperator(String(read('command') ?? ''), String(read('param') ?? ''), environment);
  });
  return (context) => {
    for (const operator of operators) {
      const value = operator(context);
      if (value !== undefined) return value;
    }
    return undefined;
  };
}

/** When the request had been received whole: at once where it has no body. */
function requestEndMs({ info, request }: FormatContext): number {
  if (info.requestDurationMs >= 0 || request === undefined) return info.requestDurationMs;
  const length = find(request.headers, 'content-length') ?? '0';
  return length === '0' && find(request.headers, 'transfer-encoding') === undefined ? 0 : -1;
}

function bytesOf(headers: readonly string[]): number {
  let bytes = 0;
  for (const part of headers) bytes += part.length;
  return bytes;
}

function fingerprint1(pem: string): string {
  return createHash('sha1')
    .update(Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64'))
    .digest('hex');
}

function maskAddress(address: string, bits: number): string {
  if (!address.includes(':')) {
    const value = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
    const kept = bits === 0 ? 0 : Math.floor(value / 2 ** (32 - Math.min(bits, 32))) * 2 ** (32 - Math.min(bits, 32));
    return `${[24, 16, 8, 0].map((shift) => Math.floor(kept / 2 ** shift) % 256).join('.')}/${Math.min(bits, 32)}`;
  }
  const groups = address.split('::');
  const [head = [], tail = []] = groups.map((part) => part.split(':').filter((group) => group !== ''));
  const all = groups.length === 1 ? head : [...head, ...Array<string>(Math.max(0, 8 - head.length - tail.length)).fill('0'), ...tail];
  const kept = all.map((group, i) => {
    const left = Math.max(0, Math.min(16, bits - i * 16));
    return ((Number.parseInt(group, 16) >> (16 - left)) << (16 - left)) & 0xffff;
  });
  const text = kept.map((group) => group.toString(16)).join(':');
  return `${text.replace(/(?::0)+$/, '::')}/${bits}`;
}

/** Operators with an argument in parentheses, and those that may be cut to a length. */
const withArgument = new Set(
  [
    'REQ',
    'REQ_WITHOUT_QUERY',
    'RESP',
    'TRAILER',
    'PATH',
    'QUERY_PARAM',
    'QUERY_PARAMS',
    'COALESCE',
    'CEL',
    'START_TIME',
    'START_TIME_LOCAL',
  ]
    .concat(['EMIT_TIME', 'EMIT_TIME_LOCAL', 'COMMON_DURATION', 'RESPONSE_CODE_DETAILS', 'DYNAMIC_METADATA', 'CLUSTER_METADATA'])
    .concat([
      'UPSTREAM_METADATA',
      'METADATA',
      'FILTER_STATE',
      'UPSTREAM_FILTER_STATE',
      'ENVIRONMENT',
      'GRPC_STATUS',
      'REQUESTED_SERVER_NAME',
    ])
    .concat(['DOWNSTREAM_PEER_CERT_V_START', 'DOWNSTREAM_PEER_CERT_V_END', 'UPSTREAM_PEER_CERT_V_START', 'UPSTREAM_PEER_CERT_V_END'])
    .concat([
      'DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT',
      'DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT',
      'DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT',
    ])
    .concat(['DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT']),
);
const withLength = new Set(
  ['REQ', 'REQ_WITHOUT_QUERY', 'RESP', 'TRAILER', 'PATH', 'QUERY_PARAM', 'QUERY_PARAMS', 'COALESCE', 'CEL', 'ENVIRONMENT'].concat([
    'DYNAMIC_METADATA',
    'CLUSTER_METADATA',
    'UPSTREAM_METADATA',
    'METADATA',
    'FILTER_STATE',
    'UPSTREAM_FILTER_STATE',
  ]),
);

/** Says what is wrong with an operator's form; throws XebecError `E_FORMAT` in Envoy's words. */
export function checkOperatorForm(name: string, argument: string, hasLength: boolean): void {
  if (!withArgument.has(name) && (argument !== '' || hasLength))
    throw new XebecError('E_FORMAT', `${name} does not take any parameters or length`);
  if (hasLength && !withLength.has(name)) throw new XebecError('E_FORMAT', `${name} does not allow length to be specified.`);
}

/** The function behind one operator; throws XebecError `E_FORMAT` for a name that does not exist. */
export function compileOperator(name: string, argument: string, environment: FormatEnvironment): Operator {
  const factory = Object.hasOwn(factories, name) ? factories[name] : undefined;
  if (factory === undefined) throw new XebecError('E_FORMAT', `format operator %${name}% is not supported`);
  return factory(argument, environment);
}

/** Every operator that formats may use. */
export const operatorNames: readonly string[] = Object.keys(factories);
