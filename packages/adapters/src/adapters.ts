import type { AdapterDefinition } from './adapter.ts';
import { cloudevents } from './cloudevents/adapter.ts';
import { denier } from './denier/adapter.ts';
import { fluentd } from './fluentd/adapter.ts';
import { kubernetesenv } from './kubernetesenv/adapter.ts';
import { list } from './list/adapter.ts';
import { memquota } from './memquota/adapter.ts';
import { opa } from './opa/adapter.ts';
import { opentelemetry } from './opentelemetry/adapter.ts';
import { prometheus } from './prometheus/adapter.ts';
import { rateLimits } from './rate-limits/adapter.ts';
import { redisquota } from './redisquota/adapter.ts';
import { statsd } from './statsd/adapter.ts';
import { stdio } from './stdio/adapter.ts';
import { zipkin } from './zipkin/adapter.ts';

/** Adapters by the name that handlers give as `compiledAdapter`. */
export const adapters: ReadonlyMap<string, AdapterDefinition> = new Map(
  [
    cloudevents,
    denier,
    fluentd,
    kubernetesenv,
    list,
    memquota,
    opa,
    opentelemetry,
    prometheus,
    rateLimits,
    redisquota,
    statsd,
    stdio,
    zipkin,
  ].map((adapter) => [adapter.name, adapter]),
);
