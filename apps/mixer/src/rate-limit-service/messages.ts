import { create } from '@bufbuild/protobuf';
import { type Duration, DurationSchema } from '@bufbuild/protobuf/wkt';
import type { DescriptorVerdict, RateLimitDescriptor, RateLimitUnit } from '@xebec/adapters';
import {
  type RateLimitRequest,
  type RateLimitResponse,
  RateLimitResponse_Code,
  RateLimitResponse_RateLimit_Unit,
  RateLimitResponseSchema,
} from '@xebec/protos/envoy/service/ratelimit/v3/rls';
import { RateLimitUnit as WireUnit } from '@xebec/protos/envoy/type/v3/ratelimit_unit';

const MAX_DESCRIPTORS = 100;
const MAX_ENTRIES = 64;

/** Envoy's numbers of units, in both of its messages. */
const ANSWER_UNIT: Readonly<Record<RateLimitUnit, RateLimitResponse_RateLimit_Unit>> = {
  second: RateLimitResponse_RateLimit_Unit.SECOND,
  minute: RateLimitResponse_RateLimit_Unit.MINUTE,
  hour: RateLimitResponse_RateLimit_Unit.HOUR,
  day: RateLimitResponse_RateLimit_Unit.DAY,
  week: RateLimitResponse_RateLimit_Unit.WEEK,
  month: RateLimitResponse_RateLimit_Unit.MONTH,
  year: RateLimitResponse_RateLimit_Unit.YEAR,
};
const ASKED_UNIT = new Map<WireUnit, RateLimitUnit>([
  [WireUnit.SECOND, 'second'],
  [WireUnit.MINUTE, 'minute'],
  [WireUnit.HOUR, 'hour'],
  [WireUnit.DAY, 'day'],
  [WireUnit.MONTH, 'month'],
  [WireUnit.YEAR, 'year'],
]);

/** What is wrong with a request, if anything. */
export function problemOf({ domain, descriptors }: RateLimitRequest): string | undefined {
  if (domain === '') return 'rate limit domain must not be empty';
  if (descriptors.length === 0) return 'rate limit descriptor list must not be empty';
  if (descriptors.length > MAX_DESCRIPTORS) return `${descriptors.length} descriptors are more than ${MAX_DESCRIPTORS}`;
  for (const { entries, limit } of descriptors) {
    if (entries.length === 0) return 'rate limit descriptor has no entries';
    if (entries.length > MAX_ENTRIES) return `${entries.length} entries of a descriptor are more than ${MAX_ENTRIES}`;
    if (entries.some(({ key }) => key === '')) return 'rate limit descriptor entry has no key';
    if (limit !== undefined && !ASKED_UNIT.has(limit.unit)) return 'the limit of a descriptor has no unit';
  }
  return undefined;
}

export function askedDescriptors({ descriptors, hitsAddend }: RateLimitRequest): RateLimitDescriptor[] {
  return descriptors.map(({ entries, limit, hitsAddend: own, isNegativeHits }) => {
    const unit = limit === undefined ? undefined : ASKED_UNIT.get(limit.unit);
    const hits = own === undefined ? Math.max(1, hitsAddend) : Number(own);
    return {
      entries,
      override:
        limit === undefined || unit === undefined
          ? undefined
          : { requests: limit.requestsPerUnit, unit, multiplier: Math.max(1, limit.unitMultiplier ?? 1) },
      hits: isNegativeHits ? -hits : hits,
    };
  });
}

export function answerOf(verdicts: readonly DescriptorVerdict[], headers: boolean): RateLimitResponse {
  const over = verdicts.some((verdict) => verdict.over);
  return create(RateLimitResponseSchema, {
    overallCode: over ? RateLimitResponse_Code.OVER_LIMIT : RateLimitResponse_Code.OK,
    statuses: verdicts.map((verdict) => {
      const { limit, remaining = 0, resetMs } = verdict;
      const code = verdict.over ? RateLimitResponse_Code.OVER_LIMIT : RateLimitResponse_Code.OK;
      if (limit?.rate === undefined) return { code, limitRemaining: remaining };
      const { requests, unit, multiplier } = limit.rate;
      const currentLimit = {
        name: limit.name,
        requestsPerUnit: requests,
        unit: ANSWER_UNIT[unit],
        ...(multiplier === 1 ? {} : { unitMultiplier: multiplier }),
      };
      return { code, currentLimit, limitRemaining: remaining, durationUntilReset: toDuration(resetMs) };
    }),
    responseHeadersToAdd: headers ? tightest(verdicts) : [],
  });
}

/** Of the limit that has least left. */
function tightest(verdicts: readonly DescriptorVerdict[]): { key: string; value: string }[] {
  const limited = verdicts.filter(({ limit }) => limit?.rate !== undefined);
  const [first, ...rest] = limited;
  if (first === undefined) return [];
  const {
    limit,
    remaining = 0,
    resetMs,
  } = rest.reduce((least, verdict) => ((verdict.remaining ?? 0) < (least.remaining ?? 0) ? verdict : least), first);
  return [
    { key: 'RateLimit-Limit', value: String(limit?.rate?.requests ?? 0) },
    { key: 'RateLimit-Remaining', value: String(remaining) },
    { key: 'RateLimit-Reset', value: String(Math.ceil(resetMs / 1000)) },
  ];
}

/** Whole seconds, rounded up, as the windows of clients are. */
function toDuration(ms: number): Duration {
  return create(DurationSchema, { seconds: BigInt(Math.ceil(ms / 1000)) });
}
