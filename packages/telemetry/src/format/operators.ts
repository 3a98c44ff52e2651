import { XebecError } from '@xebec/core';
import { responseFlagsLongText, responseFlagsText } from '../response-flags.ts';
import type { PeerCertificate } from '../stream-info.ts';
import type { FormatContext, FormatEnvironment, FormatRequest, FormatValue } from './context.ts';
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
      return request.path;
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
  const [first = '', second] = argument.toLowerCase().split('?');
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
const portOf = (address: string): FormatValue => {
  const match = /:(\d+)$/.exec(address);
  return match === null ? undefined : Number(match[1]);
};
const joinAddress = (address: string, port: number) => (address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`);
const peerFactory = (read: (peer: PeerCertificate) => FormatValue): Factory =>
  constant((context) => {
    const peer = context.info.connection.tls?.peer;
    return peer === undefined ? undefined : read(peer);
  });
const upstreamPeer = (read: (peer: PeerCertificate) => FormatValue): Factory =>
  constant((context) => (context.info.upstreamPeer === undefined ? undefined : read(context.info.upstreamPeer)));
const list = (values: readonly string[]) => text(values.join(','));
const time = (argument: string, read: (context: FormatContext) => number | undefined): Operator => {
  const format = compileTimeFormat(argument);
  return (context) => {
    const value = read(context);
    return value === undefined ? undefined : format(value);
  };
};

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
  const value = find(context.responseTrailers, 'grpc-status') ?? find(context.response?.headers, 'grpc-status');
  return value === undefined || !/^\d+$/.test(value) ? undefined : Number(value);
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
    const [kind = 'WQ'] = argument.split(':');
    return (context) => {
      const whole = find(context.request?.headers, 'x-envoy-original-path') ?? context.request?.path;
      return kind === 'NQ' ? whole?.split('?')[0] : whole;
    };
  },
  QUERY_PARAM: (argument) => (context) => {
    const query = context.request?.path.split('?')[1];
    return query === undefined ? undefined : (new URLSearchParams(query).get(argument) ?? undefined);
  },
  START_TIME: (argument) => time(argument, (context) => context.info.startTimeMs),
  START_TIME_LOCAL: (argument) => time(argument, (context) => context.info.startTimeMs),
  DURATION: constant(({ info }) => elapsed(info.durationMs)),
  REQUEST_DURATION: constant(({ info }) => elapsed(info.requestDurationMs)),
  RESPONSE_DURATION: constant(({ info }) => elapsed(info.responseDurationMs)),
  RESPONSE_TX_DURATION: constant(({ info }) =>
    info.durationMs < 0 || info.responseDurationMs < 0 ? undefined : elapsed(Math.max(0, info.durationMs - info.responseDurationMs)),
  ),
  BYTES_RECEIVED: constant(({ info }) => info.bytesReceived),
  BYTES_SENT: constant(({ info }) => info.bytesSent),
  PROTOCOL: constant(({ info }) => text(info.protocol)),
  RESPONSE_CODE: constant(({ info }) => info.responseCode),
  RESPONSE_CODE_DETAILS: constant(({ info }) => text(info.responseCodeDetails.replaceAll(' ', '_'))),
  RESPONSE_FLAGS: constant(({ info }) => responseFlagsText(info.responseFlags)),
  RESPONSE_FLAGS_LONG: constant(({ info }) => responseFlagsLongText(info.responseFlags)),
  CONNECTION_ID: constant(({ info }) => info.connection.id),
  CONNECTION_TERMINATION_DETAILS: constant(({ info }) => text(info.connectionTerminationDetails)),
  UPSTREAM_HOST: constant(({ info }) => text(info.upstreamHost)),
  UPSTREAM_HOST_NAME: constant(({ info }) => text(info.upstreamHost)),
  UPSTREAM_CLUSTER: constant(({ info }) => text(info.upstreamCluster)),
  UPSTREAM_CLUSTER_RAW: constant(({ info }) => text(info.upstreamCluster)),
  UPSTREAM_LOCAL_ADDRESS: constant(({ info }) => text(info.upstreamLocalAddress)),
  UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: constant(({ info }) => text(stripPort(info.upstreamLocalAddress))),
  UPSTREAM_LOCAL_PORT: constant(({ info }) => portOf(info.upstreamLocalAddress)),
  UPSTREAM_REMOTE_ADDRESS: constant(({ info }) => text(info.upstreamHost)),
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: constant(({ info }) => text(stripPort(info.upstreamHost))),
  UPSTREAM_REMOTE_PORT: constant(({ info }) => portOf(info.upstreamHost)),
  UPSTREAM_TRANSPORT_FAILURE_REASON: constant(({ info }) => text(info.upstreamTransportFailureReason.replaceAll(' ', '_'))),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: constant(({ info }) => info.attemptCount),
  UPSTREAM_PEER_SUBJECT: upstreamPeer((peer) => text(peer.subject)),
  UPSTREAM_PEER_URI_SAN: upstreamPeer((peer) => list(peer.uriSans)),
  UPSTREAM_PEER_DNS_SAN: upstreamPeer((peer) => list(peer.dnsSans)),
  UPSTREAM_TLS_VERSION: constant(() => undefined),
  UPSTREAM_TLS_CIPHER: constant(() => undefined),
  DOWNSTREAM_LOCAL_ADDRESS: constant(({ info }) => joinAddress(info.connection.localAddress, info.connection.localPort)),
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: constant(({ info }) => info.connection.localAddress),
  DOWNSTREAM_LOCAL_PORT: constant(({ info }) => info.connection.localPort),
  DOWNSTREAM_REMOTE_ADDRESS: constant(({ info }) => joinAddress(info.connection.remoteAddress, info.connection.remotePort)),
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: constant(({ info }) => info.connection.remoteAddress),
  DOWNSTREAM_REMOTE_PORT: constant(({ info }) => info.connection.remotePort),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: constant(({ info }) =>
    joinAddress(
      info.connection.directRemoteAddress ?? info.connection.remoteAddress,
      info.connection.directRemotePort ?? info.connection.remotePort,
    ),
  ),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: constant(
    ({ info }) => info.connection.directRemoteAddress ?? info.connection.remoteAddress,
  ),
  DOWNSTREAM_TLS_VERSION: constant(({ info }) => info.connection.tls?.version),
  DOWNSTREAM_TLS_CIPHER: constant(({ info }) => info.connection.tls?.cipher),
  DOWNSTREAM_PEER_URI_SAN: peerFactory((peer) => list(peer.uriSans)),
  DOWNSTREAM_PEER_DNS_SAN: peerFactory((peer) => list(peer.dnsSans)),
  DOWNSTREAM_PEER_SUBJECT: peerFactory((peer) => text(peer.subject)),
  DOWNSTREAM_PEER_ISSUER: peerFactory((peer) => peer.issuer),
  DOWNSTREAM_PEER_SERIAL: peerFactory((peer) => peer.serial),
  DOWNSTREAM_PEER_FINGERPRINT_256: peerFactory((peer) => text(peer.sha256)),
  DOWNSTREAM_PEER_CERT: peerFactory((peer) => text(encodeURIComponent(peer.pem))),
  DOWNSTREAM_PEER_CERT_V_START: (argument) => time(argument, ({ info }) => info.connection.tls?.peer?.notBeforeMs),
  DOWNSTREAM_PEER_CERT_V_END: (argument) => time(argument, ({ info }) => info.connection.tls?.peer?.notAfterMs),
  DOWNSTREAM_LOCAL_URI_SAN: constant(({ info }) => info.connection.tls?.localUriSan),
  REQUESTED_SERVER_NAME: constant(({ info }) => text(info.connection.requestedServerName)),
  ROUTE_NAME: constant(({ info }) => text(info.routeName)),
  VIRTUAL_CLUSTER_NAME: constant(() => undefined),
  FILTER_CHAIN_NAME: constant(({ info }) => text(info.connection.filterChainName)),
  GRPC_STATUS: (argument) => {
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
  PER_REQUEST_STATE:
    (argument) =>
    ({ info }) =>
      formatValue(info.filterState.get(argument)),
  ENVIRONMENT: (argument, environment) => {
    const value = environment.env[argument];
    return () => value;
  },
  HOSTNAME: (_, environment) => () => environment.hostname,
  STREAM_ID: constant(({ request, info }) => find(request?.headers, 'x-request-id') ?? `${info.connection.id}-${info.startTimeMs}`),
  TRACE_ID: constant((context) => context.traceId),
  SPAN_ID: constant((context) => context.spanId),
  ACCESS_LOG_TYPE: constant((context) => context.accessLogType ?? 'NotSet'),
  LOCAL_REPLY_BODY: constant((context) => context.localReplyBody),
  CUSTOM_FLAGS: constant(() => undefined),
  PROTOCOL_VERSION: constant(({ info }) => text(info.protocol)),
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
    case 'UPSTREAM_HOST':
      return ({ info }) => dig(info.upstreamHostMetadata?.[namespace], keys);
    default:
      throw new XebecError('E_FORMAT', `METADATA source "${source}" is unknown; use DYNAMIC, CLUSTER, ROUTE or UPSTREAM_HOST`);
  }
}

/** The function behind one operator; throws XebecError `E_FORMAT` for a name that does not exist. */
export function compileOperator(name: string, argument: string, environment: FormatEnvironment): Operator {
  const factory = Object.hasOwn(factories, name) ? factories[name] : undefined;
  if (factory === undefined) throw new XebecError('E_FORMAT', `format operator %${name}% is not supported`);
  return factory(argument, environment);
}

/** Every operator that formats may use. */
export const operatorNames: readonly string[] = Object.keys(factories);
