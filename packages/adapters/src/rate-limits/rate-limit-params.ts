import { z } from 'zod';
import { milliseconds } from '../params.ts';
import { protoObject } from '../proto-object.ts';

const MAX_DESCRIPTORS = 10_000;
const MAX_DEPTH = 16;

/** Seconds of each unit; months have 30 days and years 365, as the clients of Envoy's rate limit service know it. */
export const UNIT_SECONDS = { second: 1, minute: 60, hour: 3600, day: 86_400, week: 604_800, month: 2_592_000, year: 31_536_000 } as const;
export type RateLimitUnit = keyof typeof UNIT_SECONDS;

const unit = z
  .string()
  .transform((text) => text.toLowerCase())
  .pipe(z.enum(['second', 'minute', 'hour', 'day', 'week', 'month', 'year']));

const rateLimit = protoObject({
  unit: unit.optional(),
  requestsPerUnit: z.int().min(0).max(0xffff_ffff).optional(),
  unlimited: z.boolean().default(false),
  name: z.string().optional(),
  replaces: z
    .array(protoObject({ name: z.string() }))
    .max(100)
    .default([]),
});

const node = {
  key: z.string().default(''),
  value: z.string().optional(),
  rateLimit: rateLimit.optional(),
  shadowMode: z.boolean().default(false),
  shareThreshold: z.boolean().default(false),
  /** Of the metrics of the original service; ours count by domain. */
  detailedMetric: z.boolean().optional(),
};

export interface DescriptorParams {
  readonly key: string;
  readonly value?: string | undefined;
  readonly rateLimit?: z.output<typeof rateLimit> | undefined;
  readonly shadowMode: boolean;
  readonly shareThreshold: boolean;
  readonly descriptors: readonly DescriptorParams[];
}

/** The tree to a bounded depth, so that no params make the reader recurse without end. */
function descriptorsAt(depth: number): z.ZodType<readonly DescriptorParams[]> {
  if (depth === MAX_DEPTH) return z.array(z.never(`descriptors are at most ${MAX_DEPTH} deep`)).default([]);
  const below: z.ZodType<readonly DescriptorParams[]> = z.lazy(() => descriptorsAt(depth + 1));
  return z
    .array(protoObject({ ...node, descriptors: below.default([]) }))
    .max(MAX_DESCRIPTORS)
    .default([]);
}

export const rateLimitParams = protoObject({
  domain: z.string().default(''),
  descriptors: descriptorsAt(0),
  /** Adds RateLimit-Limit, -Remaining and -Reset of the tightest limit to answers. */
  responseHeaders: z.boolean().default(false),
  redisServerUrl: z.string().optional(),
  connectionPoolSize: z.int().min(0).max(100).default(0),
  timeLimit: milliseconds.default(500),
  caCertificates: z.string().optional(),
});
