import type { Duration, Timestamp } from '@bufbuild/protobuf/wkt';
import { type AttributeBag, type AttributeValue, parseIp } from '@xebec/expressions';
import type { Address } from '@xebec/protos/envoy/config/core/v3/address';
import { RequestMethod } from '@xebec/protos/envoy/config/core/v3/base';
import {
  type AccessLogCommon,
  AccessLogType,
  type HTTPAccessLogEntry,
  type ResponseFlags,
  type TCPAccessLogEntry,
  type TLSProperties_CertificateProperties,
} from '@xebec/protos/envoy/data/accesslog/v3/accesslog';
import type { Reporter } from './reporter.ts';

type Bag = Map<string, AttributeValue>;

const NANOS = 1_000_000_000n;
const timeNs = ({ seconds, nanos }: Timestamp | Duration): bigint => seconds * NANOS + BigInt(nanos);

function putText(bag: Bag, name: string, value: string | undefined): void {
  if (value !== undefined && value !== '') bag.set(name, { form: 'string', value });
}
function putInt(bag: Bag, name: string, value: bigint): void {
  bag.set(name, { form: 'int64', value });
}
function putMap(bag: Bag, name: string, entries: Readonly<Record<string, string>>): void {
  const list = Object.entries(entries);
  if (list.length > 0) bag.set(name, { form: 'stringMap', value: new Map(list) });
}

/** Attributes of a request, as proxies report them to Mixer themselves. */
export function httpAttributes(entry: HTTPAccessLogEntry, reporter: Reporter): AttributeBag {
  const bag: Bag = new Map();
  const { request, response } = entry;
  const inbound = putCommon(bag, entry.commonProperties, reporter);
  const headers = { ...request?.requestHeaders };
  const contentType = headers['content-type'] ?? '';
  const grpcStatus = response?.responseTrailers['grpc-status'] ?? response?.responseHeaders['grpc-status'];
  const protocol = contentType.startsWith('application/grpc') || grpcStatus !== undefined ? 'grpc' : 'http';
  putText(bag, 'context.protocol', protocol);
  putText(bag, 'api.protocol', protocol);
  if (request !== undefined) {
    const { requestMethod } = request;
    if (requestMethod !== RequestMethod.METHOD_UNSPECIFIED) putText(bag, 'request.method', RequestMethod[requestMethod]);
    putText(bag, 'request.scheme', request.scheme);
    putText(bag, 'request.host', request.authority);
    putText(bag, 'request.path', request.originalPath || request.path);
    putPath(bag, request.originalPath || request.path);
    putText(bag, 'request.useragent', request.userAgent);
    putText(bag, 'request.referer', request.referer);
    putText(bag, 'request.id', request.requestId);
    putInt(bag, 'request.size', request.requestBodyBytes);
    putInt(bag, 'request.total_size', request.requestHeadersBytes + request.requestBodyBytes);
    // Those that the logger was told to add, and what every entry has, under the names of headers.
    for (const [name, value] of [
      ['user-agent', request.userAgent],
      ['referer', request.referer],
      ['x-request-id', request.requestId],
      ['x-forwarded-for', request.forwardedFor],
      [':authority', request.authority],
    ] as const) {
      if (value !== '') headers[name] ??= value;
    }
    putMap(bag, 'request.headers', headers);
  }
  if (response !== undefined) {
    putInt(bag, 'response.code', BigInt(response.responseCode ?? 0));
    putInt(bag, 'response.size', response.responseBodyBytes);
    putInt(bag, 'response.total_size', response.responseHeadersBytes + response.responseBodyBytes);
    putMap(bag, 'response.headers', response.responseHeaders);
    putText(bag, 'response.grpc_status', grpcStatus);
    putText(bag, 'response.grpc_message', response.responseTrailers['grpc-message'] ?? response.responseHeaders['grpc-message']);
  }
  const start = entry.commonProperties?.startTime;
  const took = durationOf(entry.commonProperties);
  if (start !== undefined) bag.set('request.time', { form: 'timestamp', value: timeNs(start) });
  if (took !== undefined) bag.set('response.duration', { form: 'duration', value: took });
  if (start !== undefined && took !== undefined) bag.set('response.time', { form: 'timestamp', value: timeNs(start) + took });
  if (!inbound) putText(bag, 'source.principal', principalOf(entry.commonProperties?.tlsProperties?.localCertificateProperties));
  return bag;
}

/** Attributes of a connection, when it is opened, goes on or is closed. */
export function tcpAttributes(entry: TCPAccessLogEntry, reporter: Reporter): AttributeBag {
  const bag: Bag = new Map();
  const { commonProperties: common, connectionProperties: connection } = entry;
  putCommon(bag, common, reporter);
  putText(bag, 'context.protocol', 'tcp');
  putText(bag, 'connection.id', common?.streamId);
  const event = eventOf(common);
  putText(bag, 'connection.event', event);
  const received = connection?.receivedBytes ?? 0n;
  const sent = connection?.sentBytes ?? 0n;
  putInt(bag, 'connection.received.bytes_total', received);
  putInt(bag, 'connection.sent.bytes_total', sent);
  // Envoy's counts are of the whole connection; only the last entry may be added up.
  putInt(bag, 'connection.received.bytes', event === 'close' ? received : 0n);
  putInt(bag, 'connection.sent.bytes', event === 'close' ? sent : 0n);
  const took = durationOf(common);
  if (took !== undefined) bag.set('connection.duration', { form: 'duration', value: took });
  return bag;
}

function eventOf(common: AccessLogCommon | undefined): 'open' | 'continue' | 'close' {
  const type = common?.accessLogType ?? AccessLogType.NotSet;
  if (OPENED.has(type)) return 'open';
  return type === AccessLogType.TcpPeriodic || common?.intermediateLogEntry === true ? 'continue' : 'close';
}

const OPENED: ReadonlySet<AccessLogType> = new Set([
  AccessLogType.TcpConnectionStart,
  AccessLogType.TcpUpstreamConnected,
  AccessLogType.DownstreamStart,
]);

/** Whether an entry is of a request that is over: loggers may tell of its start and its course too, and of each attempt upstream. */
export function isFinal({ commonProperties: common }: HTTPAccessLogEntry): boolean {
  const type = common?.accessLogType ?? AccessLogType.NotSet;
  return (type === AccessLogType.NotSet || type === AccessLogType.DownstreamEnd) && common?.intermediateLogEntry !== true;
}

function putPath(bag: Bag, path: string): void {
  const query = path.indexOf('?');
  putText(bag, 'request.url_path', query === -1 ? path : path.slice(0, query));
  if (query !== -1) putMap(bag, 'request.query_params', Object.fromEntries(new URLSearchParams(path.slice(query + 1))));
}

/** What entries of both kinds have; returns whether the proxy is the called one's. */
function putCommon(bag: Bag, common: AccessLogCommon | undefined, reporter: Reporter): boolean {
  const { own, uid, version } = reporter;
  const cluster = common?.upstreamCluster ?? '';
  const inbound = isInbound(cluster, reporter);
  const side = inbound ? 'destination' : 'source';
  for (const [key, value] of own) bag.set(`${side}.${key}`, value);
  putText(bag, 'context.reporter.kind', inbound ? 'inbound' : 'outbound');
  putText(bag, 'context.reporter.uid', uid);
  putText(bag, 'context.proxy_version', version);
  if (common === undefined) return inbound;
  const { tlsProperties: tls } = common;
  putText(bag, 'context.proxy_error_code', flagsText(common.responseFlags));
  if (common.startTime !== undefined) bag.set('context.time', { form: 'timestamp', value: timeNs(common.startTime) });
  putAddress(bag, 'source', common.downstreamDirectRemoteAddress ?? common.downstreamRemoteAddress, false);
  putAddress(bag, 'origin', common.downstreamRemoteAddress, false);
  putAddress(bag, 'destination', inbound ? common.downstreamLocalAddress : common.upstreamRemoteAddress, true);
  putService(bag, cluster);
  if (inbound) putTaggedService(bag, common.customTags[SERVICES_TAG]);
  bag.set('connection.mtls', { form: 'bool', value: principalOf(tls?.peerCertificateProperties) !== undefined });
  putText(bag, 'connection.requested_server_name', tls?.tlsSniHostname);
  if (inbound) {
    putText(bag, 'source.principal', principalOf(tls?.peerCertificateProperties));
    putText(bag, 'destination.principal', principalOf(tls?.localCertificateProperties));
  }
  return inbound;
}

/** Clusters of the mesh are named `inbound|…` and `outbound|…`; where they are not, the log's name or the proxy's kind tells. */
function isInbound(cluster: string, { gateway, logName }: Reporter): boolean {
  if (cluster.startsWith('inbound|')) return true;
  if (cluster.startsWith('outbound|')) return false;
  if (logName.includes('outbound')) return false;
  return logName.includes('inbound') || !gateway;
}

/** `outbound|9080|v1|reviews.default.svc.cluster.local`. */
function putService(bag: Bag, cluster: string): void {
  const [, , , host = ''] = cluster.split('|');
  if (host === '') return;
  putText(bag, 'destination.service.host', host);
  const [name, namespace, marker] = host.split('.');
  const ofMesh = marker === 'svc' && namespace !== undefined;
  putText(bag, 'destination.service.name', ofMesh ? name : host);
  if (!ofMesh) return;
  putText(bag, 'destination.service.namespace', namespace);
  putText(bag, 'destination.service.uid', `istio://${namespace}/services/${name}`);
}

/** Of loggers that pilot configures: `[{"host":…,"name":…,"namespace":…}]`, the metadata of an inbound cluster. */
const SERVICES_TAG = 'istio.services';
const MAX_TAG_CHARS = 16_384;

/** Inbound clusters are named by their port alone; of several services that share it, the first is taken. */
function putTaggedService(bag: Bag, tag: string | undefined): void {
  const match = tag === undefined || tag.length > MAX_TAG_CHARS ? null : /"host":"([^"\\]+)"/.exec(tag);
  if (match?.[1] !== undefined) putService(bag, `outbound|||${match[1]}`);
}

function putAddress(bag: Bag, end: 'source' | 'origin' | 'destination', address: Address | undefined, withPort: boolean): void {
  if (address?.address.case !== 'socketAddress') return;
  const { address: host, portSpecifier } = address.address.value;
  const bytes = parseIp(host);
  if (bytes !== undefined) bag.set(`${end}.ip`, { form: 'bytes', value: bytes });
  if (withPort && portSpecifier.case === 'portValue') putInt(bag, `${end}.port`, BigInt(portSpecifier.value));
}

const SPIFFE = 'spiffe://';

/** A SPIFFE ID without its scheme, as `source.principal` is; undefined where there is no certificate of the mesh. */
function principalOf(certificate: TLSProperties_CertificateProperties | undefined): string | undefined {
  for (const { san } of certificate?.subjectAltName ?? []) {
    if (san.case === 'uri' && san.value.startsWith(SPIFFE)) return san.value.slice(SPIFFE.length);
  }
  return undefined;
}

function durationOf(common: AccessLogCommon | undefined): bigint | undefined {
  const took = common?.timeToLastDownstreamTxByte ?? common?.duration;
  return took === undefined ? undefined : timeNs(took);
}

/** Short names of the flags, as access logs print them (Envoy, `%RESPONSE_FLAGS%`). */
const FLAGS: readonly (readonly [Exclude<keyof ResponseFlags, '$typeName' | '$unknown' | 'unauthorizedDetails'>, string])[] = [
  ['failedLocalHealthcheck', 'LH'],
  ['noHealthyUpstream', 'UH'],
  ['upstreamRequestTimeout', 'UT'],
  ['localReset', 'LR'],
  ['upstreamRemoteReset', 'UR'],
  ['upstreamConnectionFailure', 'UF'],
  ['upstreamConnectionTermination', 'UC'],
  ['upstreamOverflow', 'UO'],
  ['noRouteFound', 'NR'],
  ['delayInjected', 'DI'],
  ['faultInjected', 'FI'],
  ['rateLimited', 'RL'],
  ['rateLimitServiceError', 'RLSE'],
  ['downstreamConnectionTermination', 'DC'],
  ['upstreamRetryLimitExceeded', 'URX'],
  ['streamIdleTimeout', 'SI'],
  ['invalidEnvoyRequestHeaders', 'IH'],
  ['downstreamProtocolError', 'DPE'],
  ['upstreamMaxStreamDurationReached', 'UMSDR'],
  ['responseFromCacheFilter', 'RFCF'],
  ['noFilterConfigFound', 'NFCF'],
  ['durationTimeout', 'DT'],
  ['upstreamProtocolError', 'UPE'],
  ['noClusterFound', 'NC'],
  ['overloadManager', 'OM'],
  ['dnsResolutionFailure', 'DF'],
  ['downstreamRemoteReset', 'DR'],
];

function flagsText(flags: ResponseFlags | undefined): string {
  if (flags === undefined) return '-';
  const set = FLAGS.flatMap(([field, flag]) => (flags[field] ? [flag] : []));
  if (flags.unauthorizedDetails !== undefined) set.push('UAEX');
  return set.length === 0 ? '-' : set.join(',');
}
