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
import { rbac } from './rbac/adapter.ts';
import { redisquota } from './redisquota/adapter.ts';
import { statsd } from './statsd/adapter.ts';
import { stdio } from './stdio/adapter.ts';
import { zipkin } from './zipkin/adapter.ts';

/** Adapters by the names that handlers give as `compiledAdapter`. */
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
    rbac,
    redisquota,
    statsd,
    stdio,
    zipkin,
  ].flatMap((adapter) => [adapter.name, ...(adapter.aliases ?? [])].map((name): [string, AdapterDefinition] => [name, adapter])),
);
