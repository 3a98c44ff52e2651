import { type AttributeBag, type AttributeValue, parseIp, standardVocabulary } from '@xebec/expressions';
import type { Address } from '@xebec/protos/envoy/config/core/v3/address';
import type { AttributeContext } from '@xebec/protos/envoy/service/auth/v3/attribute_context';
import type { FilterAttributes } from './filter-attributes.ts';

/** Name of the context extension that asks for quotas. */
export const QUOTAS_EXTENSION = 'mixer.quotas';

const JWT_METADATA = 'envoy.filters.http.jwt_authn';

/**
 * What Envoy tells an external authorizer, as Mixer's attributes. Context extensions of the route are attributes too, and come before
 * what the request says: `destination.service.host: shop.default.svc.cluster.local`. Between them stands what the filter says.
 */
export function attributesOf(context: AttributeContext, ofFilter: FilterAttributes = new Map()): AttributeBag {
  const bag = new Map<string, AttributeValue>();
  const text = (name: string, value: string | undefined): void => {
    if (value !== undefined && value !== '') bag.set(name, { form: 'string', value });
  };
  const map = (name: string, entries: Iterable<readonly [string, string]>): void => {
    const value = new Map(entries);
    if (value.size > 0) bag.set(name, { form: 'stringMap', value });
  };
  const { source, destination, request, tlsSession } = context;
  for (const [side, peer] of [['source', source] as const, ['destination', destination] as const]) {
    const principal = peer?.principal.replace(/^spiffe:\/\//, '');
    const { ip, port } = socketOf(peer?.address);
    if (ip !== undefined) bag.set(`${side}.ip`, { form: 'bytes', value: ip });
    if (side === 'destination' && port !== undefined) bag.set('destination.port', { form: 'int64', value: BigInt(port) });
    text(`${side}.principal`, principal);
    text(`${side}.namespace`, /^[^/]+\/ns\/([^/]+)\/sa\/[^/]+$/.exec(principal ?? '')?.[1]);
    map(`${side}.labels`, Object.entries(peer?.labels ?? {}));
    if (side === 'source') {
      text('source.user', principal);
      if (ip !== undefined) bag.set('origin.ip', { form: 'bytes', value: ip });
    }
  }
  bag.set('connection.mtls', { form: 'bool', value: (source?.principal ?? '') !== '' });
  text('connection.requested_server_name', tlsSession?.sni);
  bag.set('context.reporter.kind', { form: 'string', value: 'inbound' });
  const time = request?.time;
  if (time !== undefined) {
    const value = time.seconds * 1_000_000_000n + BigInt(time.nanos);
    for (const name of ['request.time', 'context.time']) bag.set(name, { form: 'timestamp', value });
  }
  const http = request?.http;
  if (http === undefined) text('context.protocol', 'tcp');
  else {
    const headers = headersOf(http);
    const [path = '', query] = http.path.split(/\?(.*)/s);
    text('context.protocol', headers.get('content-type')?.startsWith('application/grpc') === true ? 'grpc' : 'http');
    map('request.headers', headers);
    map('request.query_params', new URLSearchParams(query));
    text('request.path', http.path);
    text('request.url_path', path);
    text('request.host', http.host);
    text('request.method', http.method);
    text('request.scheme', http.scheme);
    text('request.id', headers.get('x-request-id') ?? http.id);
    text('request.referer', headers.get('referer'));
    text('request.useragent', headers.get('user-agent'));
    const parameters = new URLSearchParams(query);
    text('request.api_key', parameters.get('key') ?? parameters.get('api_key') ?? headers.get('x-api-key'));
    if (http.size >= 0n) bag.set('request.size', { form: 'int64', value: http.size });
  }
  for (const [name, value] of claimAttributes(context.metadataContext?.filterMetadata[JWT_METADATA])) bag.set(name, value);
  for (const [name, value] of [...ofFilter, ...Object.entries(context.contextExtensions)]) {
    const attribute = name === QUOTAS_EXTENSION ? undefined : typed(name, value);
    if (attribute !== undefined) bag.set(name, attribute);
  }
  return bag;
}

/** Text by the type that the attribute has; undefined when it is none of that type. */
function typed(name: string, value: string | ReadonlyMap<string, string>): AttributeValue | undefined {
  const type = standardVocabulary.get(name);
  if (typeof value !== 'string') return type === 'STRING_MAP' && value.size > 0 ? { form: 'stringMap', value } : undefined;
  switch (type) {
    case 'INT64':
      return /^-?\d{1,18}$/.test(value) ? { form: 'int64', value: BigInt(value) } : undefined;
    case 'BOOL':
      return { form: 'bool', value: value === 'true' };
    case 'IP_ADDRESS': {
      const ip = parseIp(value);
      return ip === undefined ? undefined : { form: 'bytes', value: ip };
    }
    case 'STRING_MAP':
    case 'TIMESTAMP':
    case 'DURATION':
      return undefined;
    default:
      return { form: 'string', value };
  }
}

function socketOf(address: Address | undefined): { readonly ip?: Uint8Array | undefined; readonly port?: number } {
  if (address?.address.case !== 'socketAddress') return {};
  const { address: ip, portSpecifier } = address.address.value;
  return { ip: parseIp(ip), ...(portSpecifier.case === 'portValue' ? { port: portSpecifier.value } : {}) };
}

/** Envoy sends headers as a map, or, when told to, with their bytes as they came. */
function headersOf({ headers, headerMap }: NonNullable<NonNullable<AttributeContext['request']>['http']>): Map<string, string> {
  const all = new Map(Object.entries(headers));
  for (const { key, value, rawValue } of headerMap?.headers ?? []) {
    const text = value === '' ? Buffer.from(rawValue).toString('latin1') : value;
    const known = all.get(key);
    all.set(key, known === undefined ? text : `${known},${text}`);
  }
  return all;
}

/** The claims of the token that `jwt_authn` has accepted; it leaves them under a name that its provider chooses. */
function claimAttributes(metadata: unknown): (readonly [string, AttributeValue])[] {
  if (typeof metadata !== 'object' || metadata === null) return [];
  const claims: unknown = Object.values(metadata).find((payload) => typeof payload === 'object' && payload !== null && 'iss' in payload);
  if (typeof claims !== 'object' || claims === null) return [];
  const texts = new Map<string, string>();
  for (const [name, claim] of Object.entries(claims)) {
    const parts: readonly unknown[] = Array.isArray(claim) ? claim : [claim];
    const joined = parts.filter((part) => typeof part === 'string').join(',');
    if (joined !== '') texts.set(name, joined);
  }
  const one = (name: string, value: string | undefined): (readonly [string, AttributeValue])[] =>
    value === undefined ? [] : [[name, { form: 'string', value }]];
  const [issuer, subject] = [texts.get('iss'), texts.get('sub')];
  return [
    ...one('request.auth.principal', issuer === undefined || subject === undefined ? undefined : `${issuer}/${subject}`),
    ...one('request.auth.audiences', texts.get('aud')),
    ...one('request.auth.presenter', texts.get('azp')),
    ...one('request.auth.raw_claims', JSON.stringify(claims)),
    ['request.auth.claims', { form: 'stringMap', value: texts }],
  ];
}
