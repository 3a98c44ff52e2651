import { XebecError } from '@xebec/core';
import type { RouteAction_HashPolicy } from '@xebec/protos/envoy/config/route/v3/route_components';
import type { StreamInfo } from '@xebec/telemetry';
import type { RequestHead } from '@xebec/wire';
import { durationMs } from './duration.ts';
import { queryParameters } from './query-matcher.ts';
import { compileRegex } from './regex.ts';
import { requestHeaderValues } from './request-header.ts';

/** A cookie that the proxy sets on the response when the request has none (`ttl` is given): `value` becomes the hash input. */
export interface HashCookie {
  readonly name: string;
  /** 0 is a session cookie. */
  readonly ttlMs: number;
  readonly path: string;
  readonly attributes: readonly { readonly name: string; readonly value: string }[];
}

export interface HashPolicy {
  /** What to hash (several values one after another), or undefined when this policy does not apply to the request. */
  input(request: RequestHead, info: StreamInfo): string | readonly string[] | undefined;
  /** Stop after this policy when it gave an input. */
  readonly terminal: boolean;
  /** Present when the policy may mint a cookie. */
  readonly cookie: HashCookie | undefined;
}

/** The value of a cookie in the request's `cookie` headers. */
export function requestCookie(headers: readonly string[], name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== 'cookie') continue;
    for (const part of (headers[i + 1] ?? '').split(';')) {
      const equals = part.indexOf('=');
      if (equals === -1 || part.slice(0, equals).trim() !== name) continue;
      const value = part.slice(equals + 1).trim();
      return value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
    }
  }
  return undefined;
}

/** Order must not matter. */
function sorted(values: string | readonly string[] | undefined): string | readonly string[] | undefined {
  return typeof values === 'object' ? values.toSorted() : values;
}

export function compileHashPolicy(policy: RouteAction_HashPolicy): HashPolicy {
  const specifier = policy.policySpecifier;
  const { terminal } = policy;
  switch (specifier.case) {
    case 'header': {
      const name = specifier.value.headerName.toLowerCase();
      const rewrite = specifier.value.regexRewrite;
      if (rewrite === undefined) return { input: (request) => sorted(requestHeaderValues(request, name)), terminal, cookie: undefined };
      const regex = compileRegex(rewrite.pattern?.regex ?? '');
      return {
        input: (request) => {
          const values = requestHeaderValues(request, name);
          if (values === undefined || typeof values === 'string') return values && regex.replace(values, rewrite.substitution);
          return sorted(values.map((value) => regex.replace(value, rewrite.substitution)));
        },
        terminal,
        cookie: undefined,
      };
    }
    case 'cookie': {
      const { name, ttl, path, attributes } = specifier.value;
      const cookie = ttl === undefined ? undefined : { name, ttlMs: durationMs(ttl), path, attributes };
      return { input: (request) => requestCookie(request.headers, name), terminal, cookie };
    }
    case 'connectionProperties':
      return { input: (_, info) => (specifier.value.sourceIp ? info.connection.remoteAddress : undefined), terminal, cookie: undefined };
    case 'queryParameter':
      return { input: (request) => queryParameters(request.path).get(specifier.value.name), terminal, cookie: undefined };
    case 'filterState':
      return {
        input: (_, info) => {
          const value = info.filterState.get(specifier.value.key);
          return value === undefined ? undefined : String(value);
        },
        terminal,
        cookie: undefined,
      };
    default:
      throw new XebecError('E_ROUTE', 'hash policy has no specifier');
  }
}
