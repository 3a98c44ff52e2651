import { type CelInput, celMap } from '@bufbuild/cel';
import { durationFromMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { FormatContext } from '../format/context.ts';
import { responseFlagsText } from '../response-flags.ts';

/** What of an expression's surroundings belongs to the proxy rather than the stream. */
export interface CelSurroundings {
  readonly node?: { readonly id: string; readonly cluster: string; readonly metadata: Readonly<Record<string, unknown>> };
}

type Fields = [name: string, value: CelInput | undefined][];

/**
 * Envoy's attributes for CEL over one stream (Envoy: "Attributes"), each root made when an expression reads it. What is not known
 * yet, or not of this kind of stream, is absent. Beside them stand `node`, and what filters left under `wasm.<name>`: Istio's
 * metric expressions know both.
 */
export class StreamAttributes {
  readonly #context: FormatContext;
  readonly #surroundings: CelSurroundings;

  constructor(context: FormatContext, surroundings: CelSurroundings) {
    this.#context = context;
    this.#surroundings = surroundings;
  }
  get request(): CelInput | undefined {
    const { request, info } = this.#context;
    if (request === undefined) return undefined;
    const headers = headerMap(request.headers);
    headers.set(':method', request.method).set(':path', request.path).set(':scheme', request.scheme);
    if (request.authority !== undefined) headers.set(':authority', request.authority);
    const query = request.path.indexOf('?');
    const size = BigInt(info.bytesReceived);
    return record([
      ['path', request.path],
      ['url_path', query === -1 ? request.path : request.path.slice(0, query)],
      ['query', query === -1 ? '' : request.path.slice(query + 1)],
      ['host', request.authority],
      ['scheme', request.scheme],
      ['method', request.method],
      ['headers', headers],
      ['referer', headers.get('referer')],
      ['useragent', headers.get('user-agent')],
      ['id', headers.get('x-request-id')],
      ['protocol', info.protocol || undefined],
      ['time', timestampFromMs(info.startTimeMs)],
      ['duration', info.durationMs < 0 ? undefined : durationFromMs(Math.trunc(info.durationMs))],
      ['size', size],
      ['total_size', size],
    ]);
  }
  get response(): CelInput | undefined {
    const { response, responseTrailers, info } = this.#context;
    const headers = headerMap(response?.headers);
    const trailers = headerMap(responseTrailers);
    const status = trailers.get('grpc-status') ?? headers.get('grpc-status');
    const size = BigInt(info.bytesSent);
    return record([
      ['code', info.responseCode > 0 ? BigInt(info.responseCode) : undefined],
      ['code_details', info.responseCodeDetails || undefined],
      ['flags', responseFlagsText(info.responseFlags)],
      ['grpc_status', status !== undefined && /^\d{1,9}$/.test(status) ? BigInt(status) : undefined],
      ['headers', headers],
      ['trailers', trailers],
      ['size', size],
      ['total_size', size],
      ['backend_latency', info.upstreamServiceTimeMs < 0 ? undefined : durationFromMs(Math.trunc(info.upstreamServiceTimeMs))],
    ]);
  }
  get source(): CelInput {
    const { remoteAddress, remotePort } = this.#context.info.connection;
    return address(remoteAddress, remotePort);
  }
  get destination(): CelInput {
    const { localAddress, localPort } = this.#context.info.connection;
    return address(localAddress, localPort);
  }
  get connection(): CelInput {
    const { info } = this.#context;
    const { tls, requestedServerName, id } = info.connection;
    return record([
      ['id', BigInt(id)],
      ['mtls', tls?.peer !== undefined],
      ['requested_server_name', requestedServerName || undefined],
      ['termination_details', info.connectionTerminationDetails || undefined],
      ['tls_version', tls?.version],
      ['subject_peer_certificate', tls?.peer?.subject],
      ['uri_san_peer_certificate', tls?.peer?.uriSans[0]],
      ['dns_san_peer_certificate', tls?.peer?.dnsSans[0]],
      ['sha256_peer_certificate_digest', tls?.peer?.sha256],
      ['subject_local_certificate', tls?.localCertificate?.subject],
      ['uri_san_local_certificate', tls?.localCertificate?.uriSans[0] ?? tls?.localUriSan],
      ['dns_san_local_certificate', tls?.localCertificate?.dnsSans[0]],
    ]);
  }
  get upstream(): CelInput | undefined {
    const { info } = this.#context;
    if (info.upstreamHost === '') return undefined;
    const port = Number(info.upstreamHost.slice(info.upstreamHost.lastIndexOf(':') + 1));
    return record([
      ['address', info.upstreamHost],
      ['port', Number.isSafeInteger(port) ? BigInt(port) : undefined],
      ['local_address', info.upstreamLocalAddress || undefined],
      ['transport_failure_reason', info.upstreamTransportFailureReason || undefined],
      ['request_attempt_count', BigInt(info.attemptCount)],
      ['uri_san_peer_certificate', info.upstreamPeer?.uriSans[0]],
      ['dns_san_peer_certificate', info.upstreamPeer?.dnsSans[0]],
      ['subject_peer_certificate', info.upstreamPeer?.subject],
    ]);
  }
  get metadata(): CelInput {
    return filterMetadata(Object.fromEntries(this.#context.info.dynamicMetadata));
  }
  get filter_state(): CelInput {
    return celMap(new Map([...this.#context.info.filterState].map(([key, value]) => [key, fromJson(value)] as const)));
  }
  get upstream_filter_state(): CelInput {
    return this.filter_state;
  }
  get upstream_peer(): CelInput | undefined {
    return this.#left('upstream_peer');
  }
  get downstream_peer(): CelInput | undefined {
    return this.#left('downstream_peer');
  }
  get node(): CelInput | undefined {
    const { node } = this.#surroundings;
    if (node === undefined) return undefined;
    return record([
      ['id', node.id],
      ['cluster', node.cluster],
      ['metadata', fromJson(node.metadata)],
    ]);
  }
  get xds(): CelInput {
    const { info } = this.#context;
    return record([
      ['node', this.node],
      ['cluster_name', info.upstreamCluster],
      ['cluster_metadata', filterMetadata(info.clusterMetadata)],
      ['route_name', info.routeName],
      ['route_metadata', filterMetadata(info.routeMetadata)],
      ['virtual_host_name', info.virtualHostName],
      ['virtual_host_metadata', filterMetadata(info.virtualHostMetadata)],
      ['upstream_host_metadata', filterMetadata(info.upstreamHostMetadata)],
      ['filter_chain_name', info.connection.filterChainName],
      ['listener_direction', { unspecified: 0n, inbound: 1n, outbound: 2n }[info.connection.direction]],
    ]);
  }
  /** Filters of WebAssembly leave `wasm.<name>`, and expressions say `<name>`. */
  left(name: string): CelInput | undefined {
    const value = this.#context.info.filterState.get(`wasm.${name}`);
    return value === undefined ? undefined : fromJson(value);
  }
  #left(name: string): CelInput | undefined {
    const { filterState } = this.#context.info;
    const value = filterState.get(name) ?? filterState.get(`wasm.${name}`);
    return value === undefined ? undefined : fromJson(value);
  }
}

function record(fields: Fields): CelInput {
  const present = fields.filter((field): field is [string, CelInput] => field[1] !== undefined);
  return celMap(new Map(present));
}

function address(host: string, port: number): CelInput {
  return record([
    ['address', host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`],
    ['port', BigInt(port)],
  ]);
}

function filterMetadata(metadata: Readonly<Record<string, unknown>> | undefined): CelInput {
  return record([['filter_metadata', fromJson(metadata ?? {})]]);
}

function headerMap(headers: readonly string[] | undefined): Map<string, string> {
  const map = new Map<string, string>();
  if (headers === undefined) return map;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] ?? '';
    const value = headers[i + 1] ?? '';
    const before = map.get(name);
    map.set(name, before === undefined ? value : `${before},${value}`);
  }
  return map;
}

/** Deeper than this is nothing that expressions ask for, and might be a circle. */
const maxDepth = 8;

/** JSON and the plain objects of filters as CEL has them; numbers are doubles, as in a protobuf Struct. */
function fromJson(value: unknown, depth = 0): CelInput {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  if (depth === maxDepth || typeof value !== 'object') return null;
  if (Array.isArray(value)) return value.map((entry) => fromJson(entry, depth + 1));
  return celMap(new Map(Object.entries(value).map(([key, entry]) => [key, fromJson(entry, depth + 1)] as const)));
}
