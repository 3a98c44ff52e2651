import { randomUUID } from 'node:crypto';
import type { ConnectionInfo } from '@xebec/telemetry';
import { type HeaderList, header, type RequestHead, setHeader } from '@xebec/wire';
import { forwardedClientCert } from './forwarded-client-cert.ts';
import type { HttpSettings } from './http-settings.ts';
import { normalizePath } from './path-normalization.ts';

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

/** Only the edge takes these away. */
const edgeOnly = new Set(['x-envoy-decorator-operation', 'x-envoy-downstream-service-cluster', 'x-envoy-downstream-service-node']);

const hopByHop = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);

/** What became of a request's head before any filter saw it. */
export type RequestVerdict =
  | { readonly kind: 'go'; readonly client: string }
  | { readonly kind: 'refuse'; readonly status: number; readonly details: string; readonly location?: string };

/**
 * Makes a request's headers what the rest of the proxy relies on: hop-by-hop headers gone, forged ones removed, x-forwarded-*,
 * x-request-id and the client certificate set, path normalized. `client` is the trusted client address.
 */
export function prepareRequest(head: RequestHead, connection: ConnectionInfo, settings: HttpSettings): RequestVerdict {
  const { headers } = head;
  dropHopByHop(headers);
  const forwardedFor = header(headers, 'x-forwarded-for');
  let client = connection.remoteAddress;
  if (!settings.useRemoteAddress) client = trustedAddress(forwardedFor, settings.xffTrustedHops) ?? client;
  else if (settings.xffTrustedHops > 0) client = trustedAddress(forwardedFor, settings.xffTrustedHops - 1) ?? client;
  const singleHop = forwardedFor === undefined || !forwardedFor.includes(',');
  const internal =
    settings.isInternal !== undefined &&
    (settings.useRemoteAddress ? forwardedFor === undefined : singleHop && forwardedFor !== undefined) &&
    settings.isInternal(client);
  const edge = settings.useRemoteAddress && !internal;
  if (settings.useRemoteAddress) {
    if (!settings.skipXffAppend)
      appendForwardedFor(headers, forwardedFor, isLoopback(connection.remoteAddress) ? settings.ownAddress : connection.remoteAddress);
    if (settings.xffTrustedHops === 0 || header(headers, 'x-forwarded-proto') === undefined) {
      setHeader(headers, 'x-forwarded-proto', connection.tls === undefined ? 'http' : 'https');
    }
    if (settings.appendForwardedPort) setHeader(headers, 'x-forwarded-port', String(connection.localPort));
  } else if (header(headers, 'x-forwarded-proto') === undefined) {
    headers.push('x-forwarded-proto', connection.tls === undefined ? 'http' : 'https');
  }
  const proto = header(headers, 'x-forwarded-proto');
  if (proto === 'http' || proto === 'https') head.scheme = proto;
  if (internal) setHeader(headers, 'x-envoy-internal', 'true');
  else removeForged(headers, edge);
  if (edge) setHeader(headers, 'x-envoy-external-address', client);
  if (settings.generateRequestId) {
    const present = header(headers, 'x-request-id') !== undefined;
    if (!present || (edge && !settings.preserveExternalRequestId)) setHeader(headers, 'x-request-id', randomUUID());
  }
  if (settings.via !== '') headers.push('via', settings.via);
  forwardedClientCert(headers, connection, settings);
  if (settings.stripPort !== 'no') stripPort(head, connection, settings.stripPort === 'any');
  if (head.path.startsWith('/') || head.path === '') {
    const verdict = normalizePath(head.path, settings);
    if (verdict.kind === 'reject') return { kind: 'refuse', status: 400, details: 'path_normalization_failed' };
    if (verdict.kind === 'redirect') return { kind: 'refuse', status: 307, details: 'path_normalization_failed', location: verdict.path };
    head.path = verdict.path;
  }
  return { kind: 'go', client };
}

function dropHopByHop(headers: HeaderList): void {
  let kept = 0;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = headers[i + 1] as string;
    if (hopByHop.has(name) || (name === 'te' && !/(^|,)\s*trailers\s*(,|$)/i.test(value))) continue;
    if (name === 'x-envoy-internal') continue;
    headers[kept] = name;
    headers[kept + 1] = name === 'te' ? 'trailers' : value;
    kept += 2;
  }
  headers.length = kept;
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
  return address === undefined || address === '' ? undefined : address;
}

function appendForwardedFor(headers: HeaderList, before: string | undefined, address: string): void {
  if (before === undefined) headers.push('x-forwarded-for', address);
  else setHeader(headers, 'x-forwarded-for', `${before},${address}`);
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

function stripPort(head: RequestHead, connection: ConnectionInfo, any: boolean): void {
  const match = /^(.*?):(\d+)$/.exec(head.authority);
  if (match?.[1] === undefined || match[1].endsWith(':')) return;
  if (any || Number(match[2]) === connection.localPort) head.authority = match[1];
}

/** Takes out what only the proxy itself reads, before the request goes on. */
export function removeRouterHeaders(headers: HeaderList): void {
  let kept = 0;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    if (name.startsWith('x-envoy-') && internalOnly.has(name) && name !== 'x-envoy-force-trace' && name !== 'x-envoy-ip-tags') continue;
    headers[kept] = name;
    headers[kept + 1] = headers[i + 1] as string;
    kept += 2;
  }
  headers.length = kept;
}
