import type { CelInput } from '@bufbuild/cel';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { RequestHead } from '@xebec/wire';
import type { MatchSubject } from '../matcher-tree/data-input.ts';
import { forwardedProto, pathOnly } from '../request-header.ts';

type Attributes = Map<string, CelInput>;

/** The value of one of Envoy's root attributes (`request`, `source`, …) for an expression; undefined for an unknown name. */
export function celAttribute(name: string, subject: MatchSubject): CelInput | undefined {
  return roots[name]?.(subject);
}

const roots: Readonly<Record<string, (subject: MatchSubject) => CelInput | undefined>> = {
  request: ({ request, info }) => {
    if (request === undefined) return undefined;
    const path = pathOnly(request.path);
    const query = request.path.indexOf('?');
    const headers = headerMap(request);
    const attributes: Attributes = new Map<string, CelInput>([
      ['path', request.path],
      ['url_path', path],
      ['host', request.authority],
      ['scheme', forwardedProto(request)],
      ['method', request.method],
      ['headers', headers],
      ['query', query === -1 ? '' : request.path.slice(query + 1)],
    ]);
    put(attributes, 'referer', headers.get('referer'));
    put(attributes, 'useragent', headers.get('user-agent'));
    put(attributes, 'id', headers.get('x-request-id'));
    if (info !== undefined) {
      put(attributes, 'protocol', info.protocol === '' ? undefined : info.protocol);
      attributes.set('time', timestampFromMs(info.startTimeMs));
      attributes.set('size', BigInt(info.bytesReceived));
    }
    return attributes;
  },
  response: ({ response, info }) => {
    if (info === undefined) return undefined;
    const attributes: Attributes = new Map<string, CelInput>();
    const status = response?.status ?? info.responseCode;
    if (status > 0) attributes.set('code', BigInt(status));
    put(attributes, 'code_details', info.responseCodeDetails === '' ? undefined : info.responseCodeDetails);
    if (response !== undefined) attributes.set('headers', fieldMap(response.headers));
    return attributes;
  },
  source: ({ info, traits }) =>
    address(traits?.sourceAddress ?? info?.connection.remoteAddress, traits?.sourcePort ?? info?.connection.remotePort),
  destination: ({ info, traits }) =>
    address(traits?.destinationAddress ?? info?.connection.localAddress, traits?.destinationPort ?? info?.connection.localPort),
  connection: ({ info }) => {
    if (info === undefined) return undefined;
    const { tls, requestedServerName, id } = info.connection;
    const attributes: Attributes = new Map<string, CelInput>([
      ['id', BigInt(id)],
      ['mtls', tls?.peer !== undefined],
    ]);
    put(attributes, 'requested_server_name', requestedServerName === '' ? undefined : requestedServerName);
    if (tls === undefined) return attributes;
    attributes.set('tls_version', tls.version);
    put(attributes, 'subject_peer_certificate', tls.peer?.subject);
    put(attributes, 'uri_san_peer_certificate', tls.peer?.uriSans[0]);
    put(attributes, 'dns_san_peer_certificate', tls.peer?.dnsSans[0]);
    put(attributes, 'sha256_peer_certificate_digest', tls.peer?.sha256);
    put(attributes, 'subject_local_certificate', tls.localCertificate?.subject);
    put(attributes, 'uri_san_local_certificate', tls.localCertificate?.uriSans[0]);
    put(attributes, 'dns_san_local_certificate', tls.localCertificate?.dnsSans[0]);
    return attributes;
  },
  upstream: ({ info }) => {
    if (info === undefined || info.upstreamHost === '') return undefined;
    const colon = info.upstreamHost.lastIndexOf(':');
    return new Map<string, CelInput>([
      ['address', info.upstreamHost],
      ['port', BigInt(info.upstreamHost.slice(colon + 1))],
      ['local_address', info.upstreamLocalAddress],
    ]);
  },
  metadata: ({ info }) =>
    info === undefined ? undefined : new Map<string, CelInput>([['filter_metadata', plain(Object.fromEntries(info.dynamicMetadata))]]),
  filter_state: ({ info }) =>
    info === undefined ? undefined : new Map<string, CelInput>([...info.filterState].map(([key, value]) => [key, String(value)] as const)),
  xds: ({ info }) => {
    if (info === undefined) return undefined;
    return new Map<string, CelInput>([
      ['cluster_name', info.upstreamCluster],
      ['route_name', info.routeName],
      ['virtual_host_name', info.virtualHostName],
      ['filter_chain_name', info.connection.filterChainName],
      ['listener_direction', { unspecified: 0n, inbound: 1n, outbound: 2n }[info.connection.direction]],
    ]);
  },
};

function put(attributes: Attributes, name: string, value: CelInput | undefined): void {
  if (value !== undefined) attributes.set(name, value);
}

function address(host: string | undefined, port: number | undefined): CelInput | undefined {
  if (host === undefined || port === undefined) return undefined;
  return new Map<string, CelInput>([
    ['address', host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`],
    ['port', BigInt(port)],
  ]);
}

function headerMap(request: RequestHead): Map<string, string> {
  const map = fieldMap(request.headers);
  map.set(':method', request.method).set(':path', request.path).set(':authority', request.authority).set(':scheme', request.scheme);
  return map;
}

function fieldMap(headers: readonly string[]): Map<string, string> {
  const map = new Map<string, string>();
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] ?? '';
    const before = map.get(name);
    map.set(name, before === undefined ? (headers[i + 1] ?? '') : `${before},${headers[i + 1] ?? ''}`);
  }
  return map;
}

/** JSON as CEL has it. */
function plain(value: unknown): CelInput {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object') return new Map(Object.entries(value).map(([key, entry]) => [key, plain(entry)] as const));
  return null;
}
