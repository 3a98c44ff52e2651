import type { Random } from '@xebec/core';

/** Why a request is traced, as digit 14 of its x-request-id (a UUID's version digit) says it to the next proxy. */
export type TraceReason = 'none' | 'sampled' | 'forced' | 'client';

const digits: Record<TraceReason, string> = { none: '4', sampled: '9', forced: 'a', client: 'b' };

const uuidPattern = /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$/;

export function hexDigits(count: number, random: Random): string {
  let text = '';
  while (text.length < count) {
    text += Math.floor(random.next() * 2 ** 32)
      .toString(16)
      .padStart(8, '0');
  }
  return text.slice(0, count);
}

/** A random UUID (version 4, RFC 9562). */
export function newRequestId(random: Random): string {
  const hex = hexDigits(31, random);
  const variant = '89ab'[Math.floor(random.next() * 4)] ?? '8';
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(12, 15)}-${variant}${hex.slice(15, 18)}-${hex.slice(18, 30)}`;
}

/** The reason that an id carries; `none` for ids that are not UUIDs. */
export function traceReason(requestId: string): TraceReason {
  if (!uuidPattern.test(requestId)) return 'none';
  switch (requestId[14]?.toLowerCase()) {
    case '9':
      return 'sampled';
    case 'a':
      return 'forced';
    case 'b':
      return 'client';
    default:
      return 'none';
  }
}

/** The id with the reason in it; ids that are not UUIDs stay as they are. */
export function withTraceReason(requestId: string, reason: TraceReason): string {
  return uuidPattern.test(requestId) ? requestId.slice(0, 14) + digits[reason] + requestId.slice(15) : requestId;
}

/** Shares of requests, 0 to 1. */
export interface Sampling {
  readonly client: number;
  readonly random: number;
  readonly overall: number;
}

/**
 * Decides whether this proxy traces a request (connection manager tracing): an earlier proxy's decision in the request id
 * stands, then `x-client-trace-id`, then `x-envoy-force-trace`, then chance; `overall` is the upper limit.
 */
export function decideTrace(headers: readonly string[], requestId: string, sampling: Sampling, random: Random): TraceReason {
  // An id that cannot carry a decision to the next proxy is not decided on.
  if (!uuidPattern.test(requestId)) return 'none';
  let reason = traceReason(requestId);
  if (reason === 'none') {
    if (has(headers, 'x-client-trace-id') && random.next() < sampling.client) reason = 'client';
    else if (has(headers, 'x-envoy-force-trace')) reason = 'forced';
    else if (random.next() < sampling.random) reason = 'sampled';
  }
  return reason !== 'none' && random.next() >= sampling.overall ? 'none' : reason;
}

function has(headers: readonly string[], name: string): boolean {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return true;
  return false;
}
