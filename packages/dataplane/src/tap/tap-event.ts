import type { ConnectionInfo } from '@xebec/telemetry';
import { header } from '@xebec/wire';
import type { HeaderView, ShownHeader } from './shown-headers.ts';
import type { Party, TapSubject } from './tap-subject.ts';

interface SocketAddress {
  readonly socket_address: { readonly address: string; readonly port_value: number };
}

/** `envoy.data.tap.v3.Connection`. */
export interface TapConnection {
  readonly local_address?: SocketAddress;
  readonly remote_address?: SocketAddress;
}

/** `envoy.data.tap.v3.HttpBufferedTrace.Message`, without its body. */
export interface TapMessage {
  readonly headers: readonly ShownHeader[];
  readonly trailers?: readonly ShownHeader[];
  readonly headers_received_time?: string;
}

/** What is known of the whole call; names of Envoy's access log (`envoy.data.accesslog.v3`) where it has them. */
export interface TapSummary {
  readonly start_time: string;
  readonly direction: ConnectionInfo['direction'];
  /** `HTTP/1.1`, `HTTP/2`, `TCP`. */
  readonly protocol: string;
  readonly request_method?: string;
  readonly path?: string;
  readonly authority?: string;
  /** 0: no answer. */
  readonly response_code?: number;
  readonly grpc_status?: number;
  readonly response_code_details?: string;
  /** In their short form. */
  readonly response_flags: readonly string[];
  readonly duration_ms: number;
  /** Until the answer's first byte. */
  readonly response_duration_ms?: number;
  readonly upstream_service_time_ms?: number;
  readonly route_name?: string;
  readonly virtual_host?: string;
  readonly upstream_cluster?: string;
  readonly upstream_remote_address?: string;
  /** 0: none was tried; above 1: there were retries. */
  readonly upstream_request_attempt_count: number;
  readonly upstream_hosts_attempted?: readonly string[];
  readonly upstream_transport_failure_reason?: string;
  readonly connection_termination_details?: string;
  readonly requested_server_name?: string;
  readonly request_body_bytes: number;
  readonly response_body_bytes: number;
  readonly request_id?: string;
  readonly trace_id?: string;
  /** Whether both sides have shown certificates. */
  readonly mtls: boolean;
  readonly source: TapParty;
  readonly destination: TapParty;
}

export type TapParty = { readonly [field in keyof Party]?: string } & { readonly address?: string };

/** One line of the stream: Envoy's trace (`envoy.data.tap.v3.TraceWrapper`) and a summary beside it. */
export interface TapEvent {
  readonly http_buffered_trace?: {
    readonly request: TapMessage;
    readonly response?: TapMessage;
    readonly downstream_connection: TapConnection;
    readonly upstream_connection?: TapConnection;
  };
  readonly socket_buffered_trace?: { readonly trace_id: string; readonly connection: TapConnection };
  readonly summary: TapSummary;
}

/** What one viewer is told of a request or connection. */
export function tapEvent(subject: TapSubject, view: HeaderView): TapEvent {
  const path = subject.context.request === undefined ? '' : view.path(subject.path);
  const summary = summaryOf(subject, path);
  const { info, context } = subject;
  const connection: TapConnection = {
    local_address: address(info.connection.localAddress, info.connection.localPort),
    remote_address: address(
      info.connection.directRemoteAddress ?? info.connection.remoteAddress,
      info.connection.directRemotePort ?? info.connection.remotePort,
    ),
  };
  if (!subject.isHttp) return { socket_buffered_trace: { trace_id: String(info.connection.id), connection }, summary };
  const { request, response, responseTrailers } = context;
  const upstream = upstreamConnection(info.upstreamHost, info.upstreamLocalAddress);
  return {
    http_buffered_trace: {
      request: {
        headers:
          request === undefined
            ? []
            : view.list(
                [
                  [':method', request.method],
                  [':path', path],
                  [':scheme', request.scheme],
                  [':authority', subject.authority],
                ],
                request.headers,
              ),
        headers_received_time: summary.start_time,
      },
      ...(response === undefined
        ? {}
        : {
            response: {
              headers: view.list([[':status', String(response.status)]], response.headers),
              ...(responseTrailers === undefined || responseTrailers.length === 0 ? {} : { trailers: view.list([], responseTrailers) }),
              ...(info.responseDurationMs < 0 ? {} : { headers_received_time: timestamp(info.startTimeMs + info.responseDurationMs) }),
            },
          }),
      downstream_connection: connection,
      ...(upstream === undefined ? {} : { upstream_connection: upstream }),
    },
    summary,
  };
}

function summaryOf(subject: TapSubject, path: string): TapSummary {
  const { info, context, isHttp, grpcStatus } = subject;
  const { request } = context;
  const { connection } = info;
  const requestId = request === undefined ? undefined : header(request.headers, 'x-request-id');
  const hosts = info.attemptedHosts?.map((host) => host.address);
  const { source, destination } = subject;
  return {
    start_time: timestamp(info.startTimeMs),
    direction: connection.direction,
    protocol: isHttp ? info.protocol : 'TCP',
    ...(request === undefined ? {} : { request_method: request.method, path, authority: subject.authority }),
    ...(isHttp ? { response_code: info.responseCode } : {}),
    ...(grpcStatus === undefined ? {} : { grpc_status: grpcStatus }),
    ...said('response_code_details', info.responseCodeDetails || (info.localCloseReason ?? '')),
    response_flags: info.hasResponseFlags === false ? [] : [...info.responseFlags],
    duration_ms: milliseconds(info.durationMs),
    ...(info.responseDurationMs < 0 ? {} : { response_duration_ms: milliseconds(info.responseDurationMs) }),
    ...(info.upstreamServiceTimeMs < 0 ? {} : { upstream_service_time_ms: milliseconds(info.upstreamServiceTimeMs) }),
    ...said('route_name', info.routeName),
    ...said('virtual_host', info.virtualHostName),
    ...said('upstream_cluster', info.upstreamCluster),
    ...said('upstream_remote_address', info.upstreamHost),
    upstream_request_attempt_count: info.attemptCount,
    ...(hosts === undefined || hosts.length < 2 ? {} : { upstream_hosts_attempted: hosts.slice(0, 16) }),
    ...said('upstream_transport_failure_reason', info.upstreamTransportFailureReason),
    ...said('connection_termination_details', info.connectionTerminationDetails),
    ...said('requested_server_name', connection.requestedServerName),
    request_body_bytes: info.bytesReceived,
    response_body_bytes: info.bytesSent,
    ...said('request_id', requestId ?? ''),
    ...said('trace_id', context.traceId ?? ''),
    mtls: source.principal !== '' && destination.principal !== '',
    source: partyOf(source, connection.remoteAddress),
    destination: partyOf(destination, connection.direction === 'inbound' ? connection.localAddress : ''),
  };
}

function said<K extends string>(key: K, value: string): { readonly [field in K]?: string } {
  return value === '' ? {} : ({ [key]: value } as { readonly [field in K]: string }); // A computed key widens to string.
}

function partyOf({ principal, workload, namespace, app, version }: Party, address: string): TapParty {
  return {
    ...said('principal', principal),
    ...said('workload', workload),
    ...said('namespace', namespace),
    ...said('app', app),
    ...said('version', version),
    ...said('address', address),
  };
}

const milliseconds = (ms: number): number => Math.round(ms * 1000) / 1000;
const timestamp = (ms: number): string => new Date(ms).toISOString();
const address = (text: string, port: number): SocketAddress => ({ socket_address: { address: text, port_value: port } });

function upstreamConnection(remote: string, local: string): TapConnection | undefined {
  const remoteAddress = endpoint(remote);
  const localAddress = endpoint(local);
  if (remoteAddress === undefined) return undefined;
  return { remote_address: remoteAddress, ...(localAddress === undefined ? {} : { local_address: localAddress }) };
}

/** `10.0.0.1:80` and `[::1]:80`; undefined for what is no such address (a pipe, nothing). */
function endpoint(text: string): SocketAddress | undefined {
  const [, host, port] = /^\[?([^\]]+)\]?:([0-9]+)$/.exec(text) ?? [];
  return host === undefined ? undefined : address(host, Number(port));
}
