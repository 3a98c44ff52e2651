import { errorText } from '@xebec/core';
import { applyHeader } from '@xebec/matching';
import type { Counter } from '@xebec/telemetry';
import { type HeaderList, header, headerJoined, removeHeader, setHeader } from '@xebec/wire';
import type { FilterContext, FilterStatus, HttpFilter, HttpFilterCallbacks } from '../../http-filter.ts';
import { QueryParameters } from '../../query-parameters.ts';
import { type Answer, type Authorizer, type HeaderOperation, isProtected } from './authorizer.ts';

export const METADATA = 'envoy.filters.http.ext_authz';

export interface BodySettings {
  readonly maxBytes: number;
  /** A longer body is cut; without it the request is answered 413. */
  readonly allowPartial: boolean;
}

export interface ExtAuthzConfig {
  readonly context: FilterContext;
  readonly ask: Authorizer;
  readonly body: BodySettings | undefined;
  readonly failureModeAllow: boolean;
  readonly failureModeAllowHeader: boolean;
  readonly statusOnError: number;
  readonly clearRouteCache: boolean;
  /** Whether this request is asked about. */
  enabled(callbacks: HttpFilterCallbacks): boolean;
  readonly denyAtDisable: boolean;
  readonly stats: Readonly<Record<'ok' | 'denied' | 'error' | 'disabled' | 'failureModeAllowed' | 'invalid', Counter>>;
  clusterStats(cluster: string): ClusterStats;
}

export type ClusterStats = Readonly<Record<'ok' | 'denied' | 'error' | 'failureModeAllowed', Counter>>;

export interface CheckSettings {
  readonly contextExtensions: Readonly<Record<string, string>>;
  /** Null: no body; undefined: the filter's own setting. */
  readonly body: BodySettings | null | undefined;
}

export function createExtAuthzFilter(
  config: ExtAuthzConfig,
  settings: CheckSettings | undefined,
  callbacks: HttpFilterCallbacks,
): HttpFilter {
  const { context, stats } = config;
  const { request, info } = callbacks;
  const wanted = settings?.body === null ? undefined : (settings?.body ?? config.body);
  let state: 'idle' | 'buffering' | 'asking' | 'done' = 'idle';
  const chunks: Buffer[] = [];
  let size = 0;
  let askedAt = 0;
  let responseHeaders: readonly HeaderOperation[] = [];

  const clusterStats = (): ClusterStats | undefined => {
    const cluster = callbacks.route()?.clusterName;
    return cluster === undefined ? undefined : config.clusterStats(cluster);
  };
  const ask = (): void => {
    let body: Buffer | undefined;
    if (wanted !== undefined && state === 'buffering') body = Buffer.concat(chunks).subarray(0, wanted.maxBytes);
    const partial = body !== undefined && size > body.length;
    state = 'asking';
    askedAt = context.clock.monotonic();
    config
      .ask({
        request,
        info,
        body,
        partial,
        received: size,
        streamId: streamId(context.random.next(), context.random.next()),
        contextExtensions: settings?.contextExtensions ?? {},
      })
      .then(answered, failed)
      .catch((error: unknown) => {
        context.logger.error({ error: errorText(error) }, 'handling an answer of the authorization service failed');
        if (state === 'asking') refuse(config.statusOnError, 'ext_authz_error');
      });
  };
  const refuse = (status: number, details: string, body = '', headers: readonly string[] = []): void => {
    state = 'done';
    callbacks.sendLocalReply({ status, body, details, flag: 'UAEX', headers: [...headers] });
  };
  const answered = (answer: Answer): void => {
    if (state !== 'asking') return;
    if (answer.metadata !== undefined) {
      // Only what allows says how long it took, milliseconds.
      const took = answer.kind === 'allowed' ? { ext_authz_duration: Math.floor(context.clock.monotonic() - askedAt) } : {};
      info.dynamicMetadata.set(METADATA, { ...info.dynamicMetadata.get(METADATA), ...answer.metadata, ...took });
    }
    if (answer.kind === 'denied') {
      stats.denied.add(1);
      clusterStats()?.denied.add(1);
      refuse(answer.status, 'ext_authz_denied', answer.body, answer.headers);
      return;
    }
    stats.ok.add(1);
    const changed = applyAnswer(answer, callbacks);
    if (config.clearRouteCache && changed) callbacks.clearRoute();
    clusterStats()?.ok.add(1);
    responseHeaders = answer.responseHeaders;
    state = 'done';
    callbacks.continueRequest();
  };
  const failed = (error: unknown): void => {
    if (state !== 'asking') return;
    stats.error.add(1);
    clusterStats()?.error.add(1);
    context.logger.debug({ error: errorText(error) }, 'the authorization service did not answer');
    if (!config.failureModeAllow) {
      refuse(config.statusOnError, 'ext_authz_error');
      return;
    }
    stats.failureModeAllowed.add(1);
    clusterStats()?.failureModeAllowed.add(1);
    if (config.failureModeAllowHeader) request.headers.push('x-envoy-auth-failure-mode-allowed', 'true');
    state = 'done';
    callbacks.continueRequest();
  };

  return {
    onRequestHead(_, endStream): FilterStatus {
      // Nothing is asked about a request that leads nowhere: it is answered 404 after this.
      if (callbacks.route() === undefined) return 'continue';
      if (!config.enabled(callbacks)) {
        stats.disabled.add(1);
        if (!config.denyAtDisable) return 'continue';
        refuse(config.statusOnError, 'ext_authz_error');
        return 'stop';
      }
      // Without a body to wait for, or one that may never end, ask at once.
      const waits = wanted !== undefined && !endStream && request.upgrade === undefined;
      if (waits) state = 'buffering';
      else ask();
      return 'stop';
    },
    onRequestData(data, endStream): FilterStatus {
      if (state === 'done' || state === 'idle') return 'continue';
      if (state === 'asking' || wanted === undefined) return 'stop';
      size += data.length;
      if (size - data.length < wanted.maxBytes) chunks.push(data);
      if (size > wanted.maxBytes && !wanted.allowPartial) {
        state = 'done';
        callbacks.sendLocalReply({ status: 413, body: 'Payload Too Large', details: 'request_payload_too_large' });
      } else if (endStream || (wanted.allowPartial && size >= wanted.maxBytes)) queueMicrotask(() => state === 'buffering' && ask());
      return 'stop';
    },
    onRequestTrailers(): FilterStatus {
      if (state === 'done' || state === 'idle') return 'continue';
      if (state === 'buffering') ask();
      return 'stop';
    },
    onResponseHead(head) {
      for (const { name, value, action } of responseHeaders) apply(head.headers, name, value, action);
      return 'continue';
    },
    onComplete() {
      state = 'done';
    },
  };
}

function apply(headers: HeaderList, name: string, value: string, action: HeaderOperation['action']): void {
  if (action !== 'join') applyHeader(headers, name, value, action);
  else if (header(headers, name) !== undefined) setHeader(headers, name, `${headerJoined(headers, name)},${value}`);
}

/** 64 bits of two numbers from 0 to 1, in decimal. */
function streamId(high: number, low: number): string {
  return String((BigInt(Math.floor(high * 0x1_0000_0000)) << 32n) | BigInt(Math.floor(low * 0x1_0000_0000)));
}

/** Changes the request as the service said; true when anything changed. */
function applyAnswer(answer: Answer & { kind: 'allowed' }, { request }: HttpFilterCallbacks): boolean {
  for (const name of answer.requestHeadersToRemove) {
    // Pseudo-headers and what frames the message stay, whatever a service asks for.
    if (!name.startsWith(':') && !isProtected(name)) removeHeader(request.headers, name);
  }
  for (const { name, value, action } of answer.requestHeaders) {
    if (name === ':path') request.path = value;
    else if (name === ':method') request.method = value;
    else if (name === ':authority' || name === 'host') request.authority = value;
    else if (!name.startsWith(':') && !isProtected(name)) apply(request.headers, name, value, action);
  }
  if (answer.queryToSet.length > 0 || answer.queryToRemove.length > 0) {
    const query = new QueryParameters(request.path);
    for (const { key, value } of answer.queryToSet) query.set(key, value);
    for (const key of answer.queryToRemove) query.delete(key);
    request.path = query.toPath();
  }
  return answer.requestHeaders.length + answer.requestHeadersToRemove.length + answer.queryToSet.length + answer.queryToRemove.length > 0;
}
