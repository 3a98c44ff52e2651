import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  RateLimitResponse_Code as Code,
  RateLimitRequestSchema,
  type RateLimitResponse,
  RateLimitResponseSchema,
  RateLimitResponse_RateLimit_Unit as Unit,
} from '@xebec/protos/envoy/service/ratelimit/v3/rls';
import type { HeaderList } from '@xebec/wire';
import type { FilterUpstream } from '../../http-filter.ts';
import type { Descriptor } from '../../ratelimit/descriptor.ts';
import type { LimitState } from '../../ratelimit/limit-headers.ts';

const METHOD = '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit';

/** What a Rate Limit Service said. */
export interface Verdict {
  readonly overLimit: boolean;
  readonly responseHeaders: HeaderList;
  readonly requestHeaders: HeaderList;
  readonly body: string;
  readonly metadata: Record<string, unknown> | undefined;
  readonly limits: readonly LimitState[];
}

export interface ServiceOptions {
  readonly cluster: string;
  readonly timeoutMs: number;
  /** `initial_metadata` of the gRPC service: names and values. */
  readonly metadata: HeaderList;
}

/** Asks `envoy.service.ratelimit.v3.RateLimitService`; rejects when it does not answer. `hits` 0 counts as one. */
export async function askService(
  upstream: FilterUpstream,
  options: ServiceOptions,
  domain: string,
  descriptors: readonly Descriptor[],
  hits: number,
): Promise<Verdict> {
  const request = create(RateLimitRequestSchema, {
    domain,
    hitsAddend: hits,
    descriptors: descriptors.map((descriptor) => ({
      entries: descriptor.entries.map(({ key, value }) => ({ key, value })),
      ...(descriptor.limit === undefined ? {} : { limit: { ...descriptor.limit } }),
      ...(descriptor.hits === undefined ? {} : { hitsAddend: BigInt(descriptor.hits) }),
    })),
  });
  const bytes = toBinary(RateLimitRequestSchema, request);
  const answer = await upstream.grpcUnary(options.cluster, METHOD, bytes, options.timeoutMs, options.metadata);
  const response = fromBinary(RateLimitResponseSchema, answer);
  return {
    overLimit: response.overallCode === Code.OVER_LIMIT,
    responseHeaders: response.responseHeadersToAdd.flatMap(({ key, value }) => [key.toLowerCase(), value]),
    requestHeaders: response.requestHeadersToAdd.flatMap(({ key, value }) => [key.toLowerCase(), value]),
    body: Buffer.from(response.rawBody).toString(),
    metadata: response.dynamicMetadata,
    limits: limitsOf(response),
  };
}

function limitsOf({ statuses }: RateLimitResponse): LimitState[] {
  const limits: LimitState[] = [];
  for (const { currentLimit, limitRemaining, durationUntilReset } of statuses) {
    if (currentLimit === undefined) continue;
    limits.push({
      requestsPerUnit: currentLimit.requestsPerUnit,
      windowSeconds: windows[currentLimit.unit] ?? 0,
      name: currentLimit.name,
      remaining: limitRemaining,
      resetSeconds: Number(durationUntilReset?.seconds ?? 0n),
    });
  }
  return limits;
}

const day = 86_400;
const windows: Partial<Record<Unit, number>> = {
  [Unit.SECOND]: 1,
  [Unit.MINUTE]: 60,
  [Unit.HOUR]: 3600,
  [Unit.DAY]: day,
  [Unit.WEEK]: 7 * day,
  [Unit.MONTH]: 30 * day,
  [Unit.YEAR]: 365 * day,
};
