import type { ForwardAction } from '@xebec/matching';
import { type HeaderList, header } from '@xebec/wire';

const unitsMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000001 };

/** How long a request's whole response may take, milliseconds: by its own headers, else by its route; 0 is no limit. */
export function requestTimeoutMs(action: ForwardAction, headers: HeaderList, hasEnvoyHeaders: boolean): number {
  const { grpcTimeoutMaxMs, grpcTimeoutOffsetMs } = action;
  let result = action.timeoutMs;
  if (grpcTimeoutMaxMs !== undefined) {
    const asked = grpcTimeoutMs(header(headers, 'grpc-timeout'));
    if (asked !== undefined) {
      const reduced = grpcTimeoutOffsetMs > 0 && asked > grpcTimeoutOffsetMs ? asked - grpcTimeoutOffsetMs : asked;
      result = grpcTimeoutMaxMs === 0 ? reduced : Math.min(reduced, grpcTimeoutMaxMs);
    }
  }
  if (!hasEnvoyHeaders) return result;
  const override = Number(header(headers, 'x-envoy-upstream-rq-timeout-ms') ?? Number.NaN);
  return Number.isFinite(override) && override >= 0 ? override : result;
}

/** `grpc-timeout` (gRPC over HTTP/2: at most eight digits and a unit). */
function grpcTimeoutMs(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const match = /^(\d{1,8})([HMSmun])$/.exec(text);
  return match === null ? undefined : Math.ceil(Number(match[1]) * (unitsMs[match[2] ?? ''] ?? 0));
}
