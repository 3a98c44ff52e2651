import { isGrpcRequest } from '@xebec/matching';
import { responseFlagsText, type StreamInfo } from '@xebec/telemetry';
import { type HeaderList, header, headerJoined, type RequestHead } from '@xebec/wire';
import { type Attribute, entryOf } from './attribute.ts';
import type { HttpCall } from './call.ts';
import { commonAttributes } from './common-attributes.ts';
import { forwardedHeader } from './forwarded-attributes.ts';
import type { ProxySide } from './peers.ts';
import { claimsOf, claimText, textClaims } from './token-claims.ts';

const requestHeader = (name: string) => (call: HttpCall) => header(call.request.headers, name);
const claim = (name: string) => (call: HttpCall) => claimText(claimsOf(call.info)?.[name]);

/** What is known when a request arrives: all that a check can be about. */
export function requestAttributes(side: ProxySide): Attribute<HttpCall>[] {
  return [
    ...commonAttributes(side),
    {
      name: 'request.headers',
      kind: 'stringMap',
      read: ({ request }) => headerPairs(request),
      entry: ({ request }, key) => headerEntry(request, key),
    },
    { name: 'request.host', kind: 'string', read: ({ request }) => request.authority },
    { name: 'request.method', kind: 'string', read: ({ request }) => request.method },
    { name: 'request.path', kind: 'string', read: ({ request }) => request.path },
    { name: 'request.url_path', kind: 'string', read: ({ request }) => urlPath(request.path) },
    {
      name: 'request.query_params',
      kind: 'stringMap',
      read: ({ request }) => queryPairs(request.path),
      entry: ({ request }, key) => {
        const pairs = queryPairs(request.path);
        return pairs === undefined ? undefined : entryOf(pairs, key);
      },
    },
    { name: 'request.scheme', kind: 'string', read: ({ request }) => request.scheme || 'http' },
    { name: 'request.referer', kind: 'string', read: requestHeader('referer') },
    { name: 'request.useragent', kind: 'string', read: requestHeader('user-agent') },
    { name: 'request.id', kind: 'string', read: requestHeader('x-request-id') },
    { name: 'request.time', kind: 'timestamp', read: ({ info }) => info.startTimeMs },
    { name: 'request.api_key', kind: 'string', read: apiKey },
    ...(['api.service', 'api.version', 'api.operation', 'api.protocol'] as const).map(
      (name): Attribute<HttpCall> => ({ name, kind: 'string', read: ({ api }) => api?.get(name) }),
    ),
    { name: 'request.auth.principal', kind: 'string', read: tokenPrincipal },
    { name: 'request.auth.audiences', kind: 'string', read: claim('aud') },
    { name: 'request.auth.presenter', kind: 'string', read: claim('azp') },
    { name: 'request.auth.claims', kind: 'stringMap', read: ({ info }) => textClaims(claimsOf(info)) },
    {
      name: 'request.auth.raw_claims',
      kind: 'string',
      read: ({ info }) => {
        const claims = claimsOf(info);
        return claims === undefined ? undefined : JSON.stringify(claims);
      },
    },
    { name: 'connection.id', kind: 'string', read: ({ info }) => String(info.connection.id) },
    { name: 'context.protocol', kind: 'string', read: ({ request }) => (isGrpcRequest(request) ? 'grpc' : 'http') },
    { name: 'context.time', kind: 'timestamp', read: ({ info }) => info.startTimeMs },
  ];
}

/** What is known when it is over, beside that. */
export function responseAttributes(): Attribute<HttpCall>[] {
  return [
    { name: 'request.size', kind: 'int64', read: ({ info }) => info.bytesReceived },
    { name: 'request.total_size', kind: 'int64', read: ({ info, requestHeaderBytes }) => info.bytesReceived + requestHeaderBytes },
    { name: 'response.code', kind: 'int64', read: ({ info }) => info.responseCode },
    { name: 'response.size', kind: 'int64', read: ({ info }) => info.bytesSent },
    {
      name: 'response.total_size',
      kind: 'int64',
      // Trailers are not in it (release 1.4).
      read: ({ info, response }) => info.bytesSent + (response === undefined ? 0 : headerBytes(response.headers)),
    },
    { name: 'response.duration', kind: 'duration', read: ({ info }) => Math.max(0, info.durationMs) },
    { name: 'response.time', kind: 'timestamp', read: ({ info }) => info.startTimeMs + Math.max(0, info.durationMs) },
    {
      name: 'response.headers',
      kind: 'stringMap',
      read: ({ response }) => (response === undefined ? undefined : [':status', String(response.status), ...response.headers]),
    },
    { name: 'response.grpc_status', kind: 'string', read: grpcField('grpc-status') },
    { name: 'response.grpc_message', kind: 'string', read: grpcField('grpc-message') },
    {
      name: 'context.proxy_error_code',
      kind: 'string',
      read: ({ info }) => (info.hasResponseFlags === false ? '-' : responseFlagsText(info.responseFlags)),
    },
    { name: 'check.cache_hit', kind: 'bool', read: ({ outcome }) => outcome?.cacheHit },
    { name: 'quota.cache_hit', kind: 'bool', read: ({ outcome }) => outcome?.quotaCacheHit },
    { name: 'rbac.permissive.response_code', kind: 'string', read: ({ info }) => shadowVerdict(info)?.code },
    { name: 'rbac.permissive.effective_policy_id', kind: 'string', read: ({ info }) => shadowVerdict(info)?.policy },
  ];
}

/** Bytes of names and values, as Envoy counts the size of headers. */
export function headerBytes(headers: HeaderList): number {
  let bytes = 0;
  for (const part of headers) bytes += part.length;
  return bytes;
}

/** Headers with the pseudo headers, by which rules written for release 1.4 read path and host. */
function headerPairs({ authority, path, method, scheme, headers }: RequestHead): readonly string[] {
  return [':authority', authority, ':path', path, ':method', method, ':scheme', scheme, ...withoutForwarded(headers)];
}

function withoutForwarded(headers: HeaderList): readonly string[] {
  const at = headers.indexOf(forwardedHeader);
  return at < 0 ? headers : headers.filter((_, index) => headers[index - (index % 2)] !== forwardedHeader);
}

function headerEntry(request: RequestHead, key: string): string | undefined {
  switch (key) {
    case ':authority':
      return request.authority;
    case ':path':
      return request.path;
    case ':method':
      return request.method;
    case ':scheme':
      return request.scheme;
    case forwardedHeader:
      return undefined;
    default:
      return headerJoined(request.headers, key);
  }
}

function urlPath(path: string): string {
  const at = path.indexOf('?');
  return at < 0 ? path : path.slice(0, at);
}

function queryPairs(path: string): readonly string[] | undefined {
  const at = path.indexOf('?');
  if (at < 0) return undefined;
  const pairs: string[] = [];
  for (const [name, value] of new URLSearchParams(path.slice(at + 1))) pairs.push(name, value);
  return pairs.length === 0 ? undefined : pairs;
}

function apiKey({ request, apiKeys }: HttpCall): string | undefined {
  for (const { place, name } of apiKeys) {
    const value =
      place === 'header' ? header(request.headers, name) : place === 'cookie' ? cookie(request, name) : queryValue(request.path, name);
    if (value !== undefined && value !== '') return value;
  }
  return undefined;
}

function queryValue(path: string, name: string): string | undefined {
  // Most paths have no query, and most queries no key.
  const at = path.indexOf('?');
  return at < 0 || !path.includes(name, at) ? undefined : (new URLSearchParams(path.slice(at + 1)).get(name) ?? undefined);
}

function cookie({ headers }: RequestHead, name: string): string | undefined {
  for (const part of headerJoined(headers, 'cookie')?.split(/[;,]/) ?? []) {
    const equals = part.indexOf('=');
    if (equals > 0 && part.slice(0, equals).trim() === name) return part.slice(equals + 1).trim();
  }
  return undefined;
}

function tokenPrincipal({ info }: HttpCall): string | undefined {
  const claims = claimsOf(info);
  const issuer = claimText(claims?.['iss']);
  const subject = claimText(claims?.['sub']);
  return issuer === undefined || subject === undefined ? undefined : `${issuer}/${subject}`;
}

function grpcField(name: string) {
  return ({ response, responseTrailers }: HttpCall) =>
    (responseTrailers === undefined ? undefined : header(responseTrailers, name)) ??
    (response === undefined ? undefined : header(response.headers, name));
}

/** What a policy that is only tried out would have said. */
function shadowVerdict(info: StreamInfo): { readonly code: string; readonly policy: string | undefined } | undefined {
  if (info.hasDynamicMetadata === false) return undefined;
  const metadata = info.dynamicMetadata.get('envoy.filters.http.rbac');
  if (metadata === undefined) return undefined;
  let code: string | undefined;
  let policy: string | undefined;
  for (const [key, value] of Object.entries(metadata)) {
    if (key.endsWith('shadow_engine_result')) code = value === 'denied' ? '403' : (code ?? '200');
    else if (key.endsWith('shadow_effective_policy_id') && typeof value === 'string') policy = value;
  }
  return code === undefined ? undefined : { code, policy };
}
