import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { VirtualClock } from '@xebec/core';
import { BootstrapSchema } from '@xebec/protos/envoy/config/bootstrap/v3/bootstrap';
import { createStats, formatPrometheus } from '@xebec/telemetry';
import { expect, it } from 'vitest';
import { evictIdleStats } from './stats-eviction.ts';

it('takes series away that stood still for an interval, while Envoy’s own and others stay', () => {
  const stats = createStats();
  const clock = new VirtualClock(0);
  const stop = evictIdleStats(
    create(BootstrapSchema, { statsEviction: { case: 'statsEvictionInterval', value: durationFromMs(10_000) } }),
    stats,
    clock,
  );
  const count = (app: string) => stats.labelled('counter', 'istio_requests_total', { app }).add(1);
  const shown = () => [...formatPrometheus(stats.collect()).matchAll(/app="(\w)"|^envoy_\w+/gm)].map((match) => match[1] ?? match[0]);
  stats.counter('server.things').add(1);
  count('a');
  count('b');
  clock.advance(10_000);
  count('b');
  clock.advance(10_000);
  expect(shown()).toEqual(['envoy_server_things', 'b']);
  clock.advance(10_000);
  expect(shown()).toEqual(['envoy_server_things']);
  stop();
  expect(clock.pending).toBe(0);
});

it('does nothing unless it is asked to', () => {
  const clock = new VirtualClock(0);
  evictIdleStats(create(BootstrapSchema), createStats(), clock);
  expect(clock.pending).toBe(0);
});
