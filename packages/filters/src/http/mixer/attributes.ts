import { create } from '@bufbuild/protobuf';
import { DurationSchema, TimestampSchema } from '@bufbuild/protobuf/wkt';
import { isGrpcRequest } from '@xebec/matching';
import { type Attributes_AttributeValue, Attributes_StringMapSchema } from '@xebec/protos/istio/mixer/v1/attributes';
import { responseFlagsText, type StreamInfo } from '@xebec/telemetry';
import { header, type RequestHead, type ResponseHead } from '@xebec/wire';
import type { FilterContext } from '../../http-filter.ts';
import {
  downstreamPeerKey,
  peerFromEndpoint,
  peerFromMetadata,
  peerInState,
  upstreamPeerKey,
  type WorkloadPeer,
} from '../../peer/workload-peer.ts';
import { addressBytes } from './address-bytes.ts';

export type AttributeValue = Exclude<Attributes_AttributeValue['value'], { case: undefined }>;
/** Attribute values by name, as Mixer's vocabulary has them. */
export type AttributeBag = Map<string, AttributeValue>;

/** Collects values, leaving out what is not known: absence means something to Mixer. */
class BagBuilder {
  readonly bag: AttributeBag;
  constructor(bag: AttributeBag) {
    this.bag = bag;
  }
  text(name: string, value: string | undefined): void {
    if (value !== undefined && value !== '') this.bag.set(name, { case: 'stringValue', value });
  }
  int(name: string, value: number): void {
    this.bag.set(name, { case: 'int64Value', value: BigInt(Math.round(value)) });
  }
  bool(name: string, value: boolean): void {
    this.bag.set(name, { case: 'boolValue', value });
  }
  address(name: string, value: string): void {
    const bytes = addressBytes(value);
    if (bytes !== undefined) this.bag.set(name, { case: 'bytesValue', value: bytes });
  }
  map(name: string, entries: Record<string, string>): void {
    this.bag.set(name, { case: 'stringMapValue', value: create(Attributes_StringMapSchema, { entries }) });
  }
  time(name: string, epochMs: number): void {
    const seconds = Math.floor(epochMs / 1000);
    const nanos = Math.round((epochMs - seconds * 1000) * 1e6);
    this.bag.set(name, { case: 'timestampValue', value: create(TimestampSchema, { seconds: BigInt(seconds), nanos }) });
  }
  duration(name: string, ms: number): void {
    const seconds = Math.floor(ms / 1000);
    const nanos = Math.round((ms - seconds * 1000) * 1e6);
    this.bag.set(name, { case: 'durationValue', value: create(DurationSchema, { seconds: BigInt(seconds), nanos }) });
  }
}

const withoutScheme = (uri: string | undefined) => uri?.replace(/^spiffe:\/\//, '');

function headerMap(headers: readonly string[]): Record<string, string> {
  const map: Record<string, string> = {};
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] ?? '';
    const before = map[name];
    map[name] = before === undefined ? (headers[i + 1] ?? '') : `${before},${headers[i + 1] ?? ''}`;
  }
  return map;
}

function addPeer(to: BagBuilder, side: 'source' | 'destination', peer: WorkloadPeer | undefined): void {
  if (peer === undefined) return;
  if (peer.name !== '' && peer.namespace !== '') to.text(`${side}.uid`, `kubernetes://${peer.name}.${peer.namespace}`);
  to.text(`${side}.name`, peer.name);
  to.text(`${side}.namespace`, peer.namespace);
  to.text(`${side}.owner`, peer.owner);
  to.text(`${side}.workload.name`, peer.workload);
  to.text(`${side}.workload.namespace`, peer.namespace);
  if (Object.keys(peer.labels).length > 0) to.map(`${side}.labels`, { ...peer.labels });
}

function addService(to: BagBuilder, info: StreamInfo): void {
  const istio = info.clusterMetadata?.['istio'];
  const services: unknown = typeof istio === 'object' && istio !== null ? Reflect.get(istio, 'services') : undefined;
  const service: unknown = Array.isArray(services) ? services[0] : undefined;
  if (typeof service !== 'object' || service === null) return;
  for (const key of ['host', 'name', 'namespace']) {
    const value: unknown = Reflect.get(service, key);
    if (typeof value === 'string') to.text(`destination.service.${key}`, value);
  }
}

/** What is known when a request arrives: the attributes of a Check. `bag` holds the static ones already and is extended. */
export function addRequestAttributes(bag: AttributeBag, request: RequestHead, info: StreamInfo, context: FilterContext): void {
  const to = new BagBuilder(bag);
  const { connection } = info;
  const inbound = context.direction !== 'outbound';
  const own = peerFromMetadata(context.node.metadata);
  addPeer(to, 'source', inbound ? peerInState(info.filterState, downstreamPeerKey) : own);
  addPeer(
    to,
    'destination',
    inbound ? own : (peerInState(info.filterState, upstreamPeerKey) ?? peerFromEndpoint(info.upstreamHostMetadata)),
  );
  to.address('source.ip', connection.remoteAddress);
  to.address('origin.ip', connection.remoteAddress);
  if (inbound) {
    to.address('destination.ip', connection.localAddress);
    to.int('destination.port', connection.localPort);
    const principal = withoutScheme(connection.tls?.peer?.uriSans[0]);
    to.text('source.principal', principal);
    to.text('source.user', principal);
    to.text('destination.principal', withoutScheme(connection.tls?.localUriSan));
  }
  addService(to, info);
  const [urlPath = '', query] = request.path.split('?');
  to.text('request.path', request.path);
  to.text('request.url_path', urlPath);
  if (query !== undefined) to.map('request.query_params', Object.fromEntries(new URLSearchParams(query)));
  to.text('request.host', request.authority);
  to.text('request.method', request.method);
  to.text('request.scheme', request.scheme);
  to.text('request.id', header(request.headers, 'x-request-id'));
  to.text('request.referer', header(request.headers, 'referer'));
  to.text('request.useragent', header(request.headers, 'user-agent'));
  to.map('request.headers', headerMap(request.headers));
  to.time('request.time', info.startTimeMs);
  to.bool('connection.mtls', connection.tls?.peer !== undefined);
  to.text('connection.requested_server_name', connection.requestedServerName);
  to.text('connection.id', String(connection.id));
  to.text('context.protocol', isGrpcRequest(request) ? 'grpc' : 'http');
  to.text('context.reporter.kind', inbound ? 'inbound' : 'outbound');
  if (own.name !== '') to.text('context.reporter.uid', `kubernetes://${own.name}.${own.namespace}`);
  to.time('context.time', info.startTimeMs);
}

/** What a Check said, for the Report. */
export interface CheckOutcome {
  readonly errorCode: number;
  readonly errorMessage: string;
  readonly cacheHit: boolean;
}

/** What is known when the request is over: completes the attributes of a Report. */
export function addResponseAttributes(
  bag: AttributeBag,
  info: StreamInfo,
  response: ResponseHead | undefined,
  outcome: CheckOutcome | undefined,
): void {
  const to = new BagBuilder(bag);
  addService(to, info);
  to.int('request.size', info.bytesReceived);
  to.int('request.total_size', info.bytesReceived);
  to.int('response.code', info.responseCode);
  to.int('response.size', info.bytesSent);
  to.int('response.total_size', info.bytesSent);
  to.duration('response.duration', Math.max(0, info.durationMs));
  to.time('response.time', info.startTimeMs + Math.max(0, info.durationMs));
  if (response !== undefined) {
    to.map('response.headers', headerMap(response.headers));
    to.text('response.grpc_status', header(response.headers, 'grpc-status'));
    to.text('response.grpc_message', header(response.headers, 'grpc-message'));
  }
  if (info.responseFlags.size > 0) to.text('context.proxy_error_code', responseFlagsText(info.responseFlags));
  if (outcome === undefined) return;
  to.int('check.error_code', outcome.errorCode);
  to.text('check.error_message', outcome.errorMessage);
  to.bool('check.cache_hit', outcome.cacheHit);
}
