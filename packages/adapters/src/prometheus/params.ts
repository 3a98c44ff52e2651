import { z } from 'zod';
import { milliseconds } from '../params.ts';

/** 64-bit integers and doubles may stand in quotes, as protobuf's JSON has them. */
const count = z.coerce.number().int().min(1).max(200);

const buckets = z.strictObject({
  linear_buckets: z.strictObject({ num_finite_buckets: count, width: z.number().positive(), offset: z.number().default(0) }).optional(),
  exponential_buckets: z
    .strictObject({ num_finite_buckets: count, growth_factor: z.number().gt(1), scale: z.number().positive() })
    .optional(),
  explicit_buckets: z.strictObject({ bounds: z.array(z.number()).min(1).max(200) }).optional(),
});

const METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL_NAME = /^(?!__)[a-zA-Z_][a-zA-Z0-9_]*$/;

const metric = z.strictObject({
  name: z.string().regex(METRIC_NAME, 'a metric name has letters, digits, "_" and ":"'),
  namespace: z.string().optional(),
  description: z.string().optional(),
  instance_name: z.string().min(1),
  kind: z.enum(['COUNTER', 'GAUGE', 'DISTRIBUTION']),
  label_names: z.array(z.string().regex(LABEL_NAME, 'a label name has letters, digits and "_"')).default([]),
  buckets: buckets.optional(),
});

/** Field names that users may write in camel case, as protobuf's JSON allows. */
const CAMEL: Readonly<Record<string, string>> = {
  instanceName: 'instance_name',
  labelNames: 'label_names',
  linearBuckets: 'linear_buckets',
  exponentialBuckets: 'exponential_buckets',
  explicitBuckets: 'explicit_buckets',
  numFiniteBuckets: 'num_finite_buckets',
  growthFactor: 'growth_factor',
  metricsExpirationPolicy: 'metrics_expiration_policy',
  metricsExpiryDuration: 'metrics_expiry_duration',
  expiryCheckIntervalDuration: 'expiry_check_interval_duration',
};

function snakeCase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeCase);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [CAMEL[key] ?? key, snakeCase(inner)]));
}

const positive = milliseconds.refine((ms) => ms > 0, 'must be more than 0, such as 10m');

export const prometheusParams = z.strictObject({
  metrics: z.array(metric).default([]),
  /** Series that nothing was added to for so long go; looked for at the interval, half of that time unless told otherwise, and at most once a second. */
  metrics_expiration_policy: z
    .strictObject({ metrics_expiry_duration: positive, expiry_check_interval_duration: positive.optional() })
    .optional(),
});

export type ExpirationPolicy = NonNullable<z.output<typeof prometheusParams>['metrics_expiration_policy']>;

/** Params with their field names in the snake case of the schema. */
export function normalizeParams(params: unknown): unknown {
  return snakeCase(params);
}

/** Release 1.4's own default for distributions without buckets. */
const DEFAULT_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function bucketBounds(definition: z.output<typeof buckets> | undefined): number[] {
  const { linear_buckets: linear, exponential_buckets: exponential, explicit_buckets: explicit } = definition ?? {};
  if (explicit !== undefined) return [...new Set(explicit.bounds)].sort((a, b) => a - b);
  if (linear !== undefined) return Array.from({ length: linear.num_finite_buckets + 1 }, (_, i) => linear.offset + i * linear.width);
  if (exponential === undefined) return DEFAULT_BOUNDS;
  return Array.from({ length: exponential.num_finite_buckets + 1 }, (_, i) => exponential.scale * exponential.growth_factor ** i);
}
