import { XebecError } from '@xebec/core';
import type { HeaderMutation } from '@xebec/matching';
import { HeaderValueOption_HeaderAppendAction as Action } from '@xebec/protos/envoy/config/core/v3/base';
import { type HeaderList, header, headerJoined, type RequestHead } from '@xebec/wire';
import type { FilterUpstream } from '../../http-filter.ts';
import { type Authorizer, type HeaderOperation, isProtected, type Question } from './authorizer.ts';

export type HeaderNamePredicate = (name: string) => boolean;

export interface HttpAuthorizerOptions {
  readonly cluster: string;
  readonly timeoutMs: number;
  readonly pathPrefix: string;
  /** Request headers that the service sees, besides the few that it always does. */
  readonly allowsHeader: HeaderNamePredicate;
  /** Adds headers to the question, in place of those that are there. */
  readonly addHeaders: HeaderMutation | undefined;
  /** Headers of the answer: to the upstream when allowed (set, added), to the client when denied and when allowed. */
  readonly toUpstream: HeaderNamePredicate;
  readonly toUpstreamAppended: HeaderNamePredicate;
  /** Undefined: every header. */
  readonly toClient: HeaderNamePredicate | undefined;
  readonly toClientOnSuccess: HeaderNamePredicate;
  /** Headers of the answer that become dynamic metadata of the filter, whatever it says. */
  readonly toMetadata: HeaderNamePredicate;
}

/** Names headers of the request that the service wants gone; it goes no further itself. */
const REMOVALS = 'x-envoy-auth-headers-to-remove';
/** Always handed to the client with a denial. */
const clientAlways = new Set(['location', 'www-authenticate']);
const hopByHop = new Set(['connection', 'keep-alive', 'upgrade', 'te', 'trailer', 'date', 'server']);

/** An authorization service of plain HTTP: 200 allows, 5xx is an error, all else denies and is the answer. */
export function httpAuthorizer(options: HttpAuthorizerOptions, upstream: FilterUpstream): Authorizer {
  return async (asked) => {
    const answer = await upstream.http(options.cluster, question(asked, options), asked.body ?? Buffer.alloc(0), options.timeoutMs, {
      forwardedFor: false,
    });
    const { status, headers } = answer.head;
    if (status >= 500) throw new XebecError('E_EXT_AUTHZ', `authorization service answered ${status}`);
    // The last of several fields counts, as in Envoy.
    const noted = pairs(headers).filter(([name]) => name !== REMOVALS && options.toMetadata(name));
    const metadata = noted.length === 0 ? undefined : Object.fromEntries(noted);
    if (status !== 200) {
      const { toClient } = options;
      const kept = pairs(headers).filter(
        ([name]) =>
          name !== REMOVALS &&
          !isProtected(name) &&
          !hopByHop.has(name) &&
          (toClient === undefined || toClient(name) || clientAlways.has(name)),
      );
      return { kind: 'denied', status, body: answer.body.toString(), headers: kept.flat(), metadata };
    }
    const pick = (allows: HeaderNamePredicate, action: Action): HeaderOperation[] =>
      pairs(headers)
        .filter(([name]) => name !== REMOVALS && allows(name) && !isProtected(name))
        .map(([name, value]) => ({ name, value, action }));
    return {
      kind: 'allowed',
      requestHeaders: [
        ...pick(options.toUpstream, Action.OVERWRITE_IF_EXISTS_OR_ADD),
        ...pick(options.toUpstreamAppended, Action.APPEND_IF_EXISTS_OR_ADD),
      ],
      requestHeadersToRemove: (header(headers, REMOVALS) ?? '')
        .split(',')
        .map((name) => name.trim().toLowerCase())
        .filter((name) => name !== ''),
      responseHeaders: pick(options.toClientOnSuccess, Action.APPEND_IF_EXISTS_OR_ADD),
      queryToSet: [],
      queryToRemove: [],
      metadata,
    };
  };
}

function question({ request, info, body, partial }: Question, options: HttpAuthorizerOptions): RequestHead {
  const headers: HeaderList = [];
  for (const [name] of pairs(request.headers)) {
    if (isProtected(name) || name === 'connection' || name === 'upgrade' || header(headers, name) !== undefined) continue;
    if (name === 'authorization' || options.allowsHeader(name)) headers.push(name, headerJoined(request.headers, name) ?? '');
  }
  headers.push('content-length', String(body?.length ?? 0));
  if (body !== undefined) headers.push('x-envoy-auth-partial-body', String(partial));
  const head: RequestHead = {
    method: request.method,
    path: `${options.pathPrefix}${request.path}`,
    authority: request.authority,
    scheme: 'http',
    headers,
    version: 'HTTP/1.1',
  };
  options.addHeaders?.(head, { info, request });
  return head;
}

function pairs(headers: readonly string[]): [string, string][] {
  const out: [string, string][] = [];
  for (let i = 0; i < headers.length; i += 2) out.push([headers[i] ?? '', headers[i + 1] ?? '']);
  return out;
}
