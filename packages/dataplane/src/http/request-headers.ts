import { isIP } from 'node:net';
import { isGrpcRequest } from '@xebec/matching';
import type { ConnectionInfo } from '@xebec/telemetry';
import { type HeaderList, header, headerJoined, type RequestHead, removeHeader, setHeader } from '@xebec/wire';
import { forwardedClientCert } from './forwarded-client-cert.ts';
import type { HttpSettings, ProxyNode } from './http-settings.ts';
import { isNormalPath, normalizePath } from './path-normalization.ts';
import { requestId } from './request-id.ts';

/** Headers that only internal callers may set (HTTP header sanitizing, Envoy). */
const internalOnly = new Set([
  'x-envoy-retriable-status-codes',
  'x-envoy-retriable-header-names',
  'x-envoy-retry-on',
  'x-envoy-retry-grpc-on',
  'x-envoy-max-retries',
  'x-envoy-upstream-alt-stat-name',
  'x-envoy-upstream-rq-timeout-ms',
  'x-envoy-upstream-rq-per-try-timeout-ms',
  'x-envoy-upstream-rq-timeout-alt-response',
  'x-envoy-upstream-stream-duration-ms',
  'x-envoy-expected-rq-timeout-ms',
  'x-envoy-force-trace',
  'x-envoy-ip-tags',
  'x-envoy-original-url',
  'x-envoy-hedge-on-per-try-timeout',
]);

/** Of these the upstream hears. */
const passedOn = new Set(['x-envoy-force-trace', 'x-envoy-ip-tags', 'x-envoy-original-url']);

/** Only the edge takes these away. */
const edgeOnly = new Set([
  'x-envoy-original-path',
  'x-envoy-decorator-operation',
  'x-envoy-downstream-service-cluster',
  'x-envoy-downstream-service-node',
]);

const hopByHop = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);

/** Whether the connection manager or a caller inside the proxy has found the request to be internal. */
export function isInternal(head: RequestHead): boolean {
  return header(head.headers, 'x-envoy-internal') === 'true';
}

/** Why a request is answered before any filter saw it. */
export interface RequestRefusal {
  readonly status: number;
  readonly details: string;
  readonly location?: string;
  readonly flag?: 'DPE';
}

/**
 * Makes a request's headers what the rest of the proxy relies on: hop-by-hop headers gone, forged ones removed, x-forwarded-*,
 * x-request-id and the client certificate set, path normalized. Returns the trusted client address.
 */
export function prepareRequest(head: RequestHead, connection: ConnectionInfo, settings: HttpSettings): string | RequestRefusal {
  const { headers } = head;
  const wrong = prepareTarget(head, connection, settings);
  if (wrong !== undefined) return wrong;
  const seen = dropHopByHop(headers);
  const forwardedFor = (seen & seenForwarded) === 0 ? undefined : joinForwardedFor(headers);
  let client = connection.remoteAddress;
  let named = false;
  if (!settings.useRemoteAddress) {
    // Other ways to find the client's address leave this header unread.
    const trusted = settings.addressHeader === undefined ? trustedAddress(forwardedFor, settings.xffTrustedHops) : undefined;
    named = trusted !== undefined;
    client = trusted ?? client;
  }
  if (settings.useRemoteAddress && settings.xffTrustedHops > 0)
    client = trustedAddress(forwardedFor, settings.xffTrustedHops - 1) ?? client;
  if (settings.addressHeader !== undefined && !settings.useRemoteAddress) {
    const said = header(headers, settings.addressHeader.name) ?? '';
    if (isIP(said) !== 0) client = said;
    else if (settings.addressHeader.refusal !== undefined)
      return { status: settings.addressHeader.refusal, details: 'rejecting_because_detection_failed' };
  }
  const singleHop = forwardedFor === undefined || !forwardedFor.includes(',');
  const internal =
    settings.isInternal !== undefined &&
    (settings.useRemoteAddress ? forwardedFor === undefined : singleHop && named) &&
    settings.isInternal(client);
  const edge = settings.useRemoteAddress && !internal;
  let proto = (seen & seenForwarded) === 0 ? undefined : header(headers, 'x-forwarded-proto');
  const own = settings.schemeOverwrite !== '' ? settings.schemeOverwrite : connection.tls === undefined ? 'http' : 'https';
  if (settings.useRemoteAddress) {
    if (!settings.skipXffAppend)
      appendForwardedFor(headers, forwardedFor, isLoopback(connection.remoteAddress) ? settings.ownAddress : connection.remoteAddress);
    if (proto === undefined) {
      proto = own;
      headers.push('x-forwarded-proto', own);
    } else if (settings.xffTrustedHops === 0) {
      proto = own;
      setHeader(headers, 'x-forwarded-proto', own);
    }
    if (settings.appendForwardedPort && (settings.xffTrustedHops === 0 || header(headers, 'x-forwarded-port') === undefined))
      setHeader(headers, 'x-forwarded-port', String(connection.localPort));
  } else if (proto === undefined) {
    proto = own;
    headers.push('x-forwarded-proto', own);
  }
  if (settings.appendForwardedPort && header(headers, 'x-forwarded-port') === undefined)
    headers.push('x-forwarded-port', String(connection.localPort));
  if (settings.schemeOverwrite !== '') {
    head.scheme = settings.schemeOverwrite;
    setHeader(headers, 'x-forwarded-proto', settings.schemeOverwrite);
  } else if (head.version === 'HTTP/2') {
    if (head.scheme !== 'http' && head.scheme !== 'https') head.scheme = head.scheme.toLowerCase();
  } else if (head.version === 'HTTP/1.0' && head.authority === '' && settings.defaultHost !== '') head.authority = settings.defaultHost;
  if (settings.schemeOverwrite === '' && head.version !== 'HTTP/2' && (proto === 'http' || proto === 'https')) head.scheme = proto;
  if (internal) setHeader(headers, 'x-envoy-internal', 'true');
  else {
    if ((seen & seenEnvoy) !== 0) removeForged(headers, edge);
    const own = settings.routes.current?.internalOnlyHeaders;
    if (own !== undefined) for (let i = 0; i < own.length; i++) removeHeader(headers, own[i] ?? '');
  }
  if (settings.userAgent !== undefined) sayProxy(headers, settings.userAgent);
  if (edge) setHeader(headers, 'x-envoy-external-address', client);
  if (settings.generateRequestId) {
    if ((seen & seenRequestId) === 0) headers.push('x-request-id', requestId());
    else if ((edge && !settings.preserveExternalRequestId) || header(headers, 'x-request-id') === '')
      setHeader(headers, 'x-request-id', requestId());
  }
  if (settings.via !== '') appendVia(headers, settings.via);
  if ((seen & seenForwarded) !== 0 || (settings.forwardCert !== 'sanitize' && connection.tls !== undefined))
    forwardedClientCert(headers, connection, settings);
  if (head.method === 'QUERY' && header(headers, 'content-type') === undefined)
    return { status: 400, details: 'query_missing_content_type' };
  if (settings.underscores !== 'allow' && !checkUnderscores(headers, settings.underscores === 'drop'))
    return { status: 400, details: 'http1.unexpected_underscore', flag: 'DPE' };
  return client;
}

/** Path and host come first, so that logs of requests that are refused for something else have them as they are matched. */
function prepareTarget(head: RequestHead, connection: ConnectionInfo, settings: HttpSettings): RequestRefusal | undefined {
  const first = head.path.charCodeAt(0);
  if (first !== 47 && head.path !== '' && head.method !== 'CONNECT') return { status: 404, details: 'absolute_path_rejected' };
  // A target has no fragment (RFC 9112 section 3.2).
  if (head.path.indexOf('#') !== -1) return { status: 400, details: 'path_normalization_failed' };
  if ((first === 47 || head.path === '') && !isNormalPath(head.path, settings)) {
    const verdict = normalizePath(head.path, settings);
    head.path = verdict.path;
    if (verdict.kind === 'reject') return { status: 400, details: 'path_normalization_failed' };
    // gRPC clients follow no redirects.
    if (verdict.kind === 'redirect' && isGrpcRequest(head)) return { status: 400, details: 'path_normalization_failed' };
    if (verdict.kind === 'redirect') return { status: 307, details: 'path_normalization_failed', location: verdict.path };
  }
  if (head.path.charCodeAt(0) !== 47 && head.method !== 'CONNECT') return { status: 404, details: 'absolute_path_rejected' };
  if (settings.stripDot) stripDot(head);
  if (settings.stripPort !== 'no') stripPort(head, connection, settings.stripPort === 'any');
  return undefined;
}

/** Drops headers with an underscore in their names, or says that there are some. */
function checkUnderscores(headers: HeaderList, drop: boolean): boolean {
  for (let i = headers.length - 2; i >= 0; i -= 2) {
    if (headers[i]?.includes('_') !== true) continue;
    if (!drop) return false;
    headers.splice(i, 2);
  }
  return true;
}

// What a request's headers have, so that most need not be looked for again.
const seenForwarded = 1;
const seenEnvoy = 2;
const seenRequestId = 4;

/** Takes out what belongs to the connection; tells which of the headers that matter here are there. */
function dropHopByHop(headers: HeaderList): number {
  let seen = 0;
  let kept = 0;
  const { length } = headers;
  for (let i = 0; i < length; i += 2) {
    const name = headers[i] as string;
    let value = headers[i + 1] as string;
    switch (name.charCodeAt(0)) {
      case 120: // x
        if (name.startsWith('x-envoy-')) {
          if (name === 'x-envoy-internal') continue;
          seen |= seenEnvoy;
        } else if (name.startsWith('x-forwarded-')) seen |= seenForwarded;
        else if (name === 'x-request-id') seen |= seenRequestId;
        break;
      case 116: // t
        if (name === 'te') {
          if (!/(^|,)\s*trailers\s*(,|$)/i.test(value)) continue;
          value = 'trailers';
        } else if (name === 'transfer-encoding') continue;
        break;
      case 99: // c
      case 107: // k
      case 112: // p
      case 117: // u
        if (hopByHop.has(name)) continue;
    }
    if (kept !== i || name === 'te') {
      headers[kept] = name;
      headers[kept + 1] = value;
    }
    kept += 2;
  }
  if (kept !== length) headers.length = kept;
  return seen;
}

function removeForged(headers: HeaderList, edge: boolean): void {
  let kept = 0;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    if (name.startsWith('x-envoy-') && (internalOnly.has(name) || (edge && edgeOnly.has(name)))) continue;
    headers[kept] = name;
    headers[kept + 1] = headers[i + 1] as string;
    kept += 2;
  }
  headers.length = kept;
}

/** The address that is `hops` trusted proxies from the end of x-forwarded-for. */
function trustedAddress(forwardedFor: string | undefined, hops: number): string | undefined {
  if (forwardedFor === undefined) return undefined;
  const entries = forwardedFor.split(',');
  const address = entries[entries.length - 1 - hops]?.trim();
  return address === undefined || isIP(address) === 0 ? undefined : address;
}

/** One field of all that came. */
function joinForwardedFor(headers: HeaderList): string | undefined {
  const first = header(headers, 'x-forwarded-for');
  if (first === undefined) return undefined;
  const all = headerJoined(headers, 'x-forwarded-for');
  if (all !== undefined && all !== first) setHeader(headers, 'x-forwarded-for', all);
  return all;
}

/** After those of the hops before. */
export function appendVia(headers: HeaderList, via: string): void {
  const before = headerJoined(headers, 'via');
  setHeader(headers, 'via', before === undefined ? via : `${before}, ${via}`);
}

function sayProxy(headers: HeaderList, { id, cluster }: ProxyNode): void {
  setHeader(headers, 'x-envoy-downstream-service-cluster', cluster);
  if ((header(headers, 'user-agent') ?? '') === '') setHeader(headers, 'user-agent', cluster);
  if (id !== '') setHeader(headers, 'x-envoy-downstream-service-node', id);
}

function appendForwardedFor(headers: HeaderList, before: string | undefined, address: string): void {
  if (before === undefined) headers.push('x-forwarded-for', address);
  else setHeader(headers, 'x-forwarded-for', `${before},${address}`);
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

/** The dot that ends a fully qualified name. */
function stripDot(head: RequestHead): void {
  head.authority = head.authority.replace(/\.(?=(:\d+)?$)/, '');
}

function stripPort(head: RequestHead, connection: ConnectionInfo, any: boolean): void {
  const match = /^(.*?):(\d+)$/.exec(head.authority);
  if (match?.[1] === undefined || match[1].endsWith(':')) return;
  if (any || Number(match[2]) === connection.localPort) head.authority = match[1];
}

/** Whether a request says anything that only the router reads (`x-envoy-*`), wherever it comes from. */
export function hasEnvoyHeaders(headers: HeaderList): boolean {
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    if (name.charCodeAt(0) === 120 && name.startsWith('x-envoy-')) return true;
  }
  return false;
}

/** Takes out what only the proxy itself reads, before the request goes on. */
export function removeRouterHeaders(headers: HeaderList): void {
  let kept = 0;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    if (name.startsWith('x-envoy-') && internalOnly.has(name) && !passedOn.has(name)) continue;
    headers[kept] = name;
    headers[kept + 1] = headers[i + 1] as string;
    kept += 2;
  }
  headers.length = kept;
}
