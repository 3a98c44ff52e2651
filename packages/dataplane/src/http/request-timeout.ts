import type { ForwardAction, GrpcTimeoutRule } from '@xebec/matching';
import { isGrpcRequest } from '@xebec/matching';
import { type HeaderList, header, type RequestHead, removeHeader, setHeader } from '@xebec/wire';

const unitsMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000001 };
/** More digits than these are no `grpc-timeout`. */
const maxGrpcTimeoutNumber = 99_999_999;

/** How long a request's whole response may take, milliseconds: by its own headers, else by its route; 0 is no limit. */
export function requestTimeoutMs(action: ForwardAction, head: RequestHead, hasEnvoyHeaders: boolean): number {
  const { grpcTimeout } = action;
  const result =
    grpcTimeout !== undefined && isGrpcRequest(head) ? (grpcTimeoutMs(head.headers, grpcTimeout) ?? grpcTimeout.maxMs) : action.timeoutMs;
  if (!hasEnvoyHeaders) return result;
  const override = Number(header(head.headers, 'x-envoy-upstream-rq-timeout-ms') ?? Number.NaN);
  return Number.isFinite(override) && override >= 0 ? override : result;
}

/**
 * How long the whole stream may take, where its route says something of that: by `grpc-timeout` if that is honoured, else by the route
 * or its connection manager. gRPC upstreams are told. 0 is no limit; undefined where the route says nothing.
 */
export function streamDurationMs(action: ForwardAction, head: RequestHead, managerMs: number): number | undefined {
  const { grpcStreamDuration: rule, maxStreamDurationMs } = action;
  if (rule === undefined && maxStreamDurationMs === undefined) return undefined;
  const ms = (rule === undefined ? undefined : grpcTimeoutMs(head.headers, rule)) ?? maxStreamDurationMs ?? managerMs;
  if (isGrpcRequest(head)) {
    if (ms > 0) setHeader(head.headers, 'grpc-timeout', grpcTimeoutText(ms));
    // Where the manager's limit was lifted.
    else if (managerMs > 0) removeHeader(head.headers, 'grpc-timeout');
  }
  return ms;
}

/** `grpc-timeout` (gRPC over HTTP/2: at most eight digits and a unit) less its offset and within its cap. */
function grpcTimeoutMs(headers: HeaderList, rule: GrpcTimeoutRule): number | undefined {
  const match = /^(\d{1,8})([HMSmun])$/.exec(header(headers, 'grpc-timeout') ?? '');
  if (match === null) return undefined;
  let ms = Math.ceil(Number(match[1]) * (unitsMs[match[2] ?? ''] ?? 0));
  if (rule.offsetMs > 0 && ms > rule.offsetMs) ms -= rule.offsetMs;
  return rule.maxMs !== 0 && (ms === 0 || ms > rule.maxMs) ? rule.maxMs : ms;
}

/** In milliseconds if these fit, else in the next unit that does. */
export function grpcTimeoutText(ms: number): string {
  for (const [unit, size] of [
    ['m', 1],
    ['S', 1000],
    ['M', 60_000],
  ] as const)
    if (ms / size <= maxGrpcTimeoutNumber) return `${Math.ceil(ms / size)}${unit}`;
  return `${Math.ceil(ms / 3_600_000)}H`;
}

/** How long an answer to this try is waited for; `spentMs` went to the tries before it. 0 is no limit. */
export function expectedTimeoutMs(wholeMs: number, perTryMs: number, spentMs: number): number {
  const leftMs = wholeMs === 0 ? 0 : Math.max(1, Math.round(wholeMs - spentMs));
  return perTryMs > 0 && (leftMs === 0 || perTryMs < leftMs) ? perTryMs : leftMs;
}

/** Tells the upstream how long an answer is waited for. */
export function announceTimeout(
  head: RequestHead,
  action: ForwardAction,
  ms: number,
  firstTry: boolean,
  suppressEnvoyHeaders: boolean,
): void {
  if (ms === 0) return;
  if (!suppressEnvoyHeaders) {
    // What was there of that name before the first try is gone with the others.
    if (firstTry) head.headers.push('x-envoy-expected-rq-timeout-ms', String(ms));
    else setHeader(head.headers, 'x-envoy-expected-rq-timeout-ms', String(ms));
  }
  if (action.grpcTimeout !== undefined && isGrpcRequest(head)) setHeader(head.headers, 'grpc-timeout', grpcTimeoutText(ms));
}
