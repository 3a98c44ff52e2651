import { seededRandom, VirtualClock } from '@xebec/core';
import { expect, test } from 'vitest';
import { uncheckedHealth } from '../host-health.ts';
import type { HealthCheckConfig } from './health-check-config.ts';
import { HealthSession, type HealthTransition } from './health-session.ts';
import { failed, type ProbeResult, succeeded } from './probe.ts';

const config: HealthCheckConfig = {
  probe: { kind: 'TCP', send: undefined, receive: [] },
  timeoutMs: 1000,
  intervalMs: 10_000,
  initialJitterMs: 0,
  intervalJitterMs: 0,
  intervalJitterPercent: 0,
  unhealthyThreshold: 3,
  healthyThreshold: 2,
  reuseConnection: true,
  noTrafficIntervalMs: 60_000,
  noTrafficHealthyIntervalMs: 50_000,
  unhealthyIntervalMs: 5000,
  unhealthyEdgeIntervalMs: 1000,
  healthyEdgeIntervalMs: 2000,
  alpn: undefined,
  transportCriteria: undefined,
  eventLogPath: undefined,
  logsFailures: false,
  logsSuccesses: false,
};

/** Runs the session over these results; returns when each check ran and what it changed. */
function run(results: readonly ProbeResult[], traffic = true) {
  const clock = new VirtualClock();
  const health = uncheckedHealth();
  const times: number[] = [];
  const transitions: HealthTransition[] = [];
  const left = [...results];
  const session = new HealthSession(health, {
    clock,
    random: seededRandom(1),
    config,
    hasTraffic: () => traffic,
    probe(done) {
      const result = left.shift();
      if (result !== undefined) {
        times.push(clock.now());
        done(result);
      }
      return () => undefined;
    },
    onResult: (_result, transition) => transitions.push(transition),
  });
  session.start();
  clock.advance(300_000);
  session.close();
  return { health, times, changed: transitions.map(({ changed }) => changed), session };
}

const active = failed('ACTIVE');
const network = failed('NETWORK');

test('the first result counts at once, then thresholds do', () => {
  expect(run([succeeded]).health.failed).toBe(false);
  expect(run([network]).health.failed).toBe(true);
  expect(run([network, succeeded]).health.failed).toBe(true);
  expect(run([network, succeeded, succeeded]).health.failed).toBe(false);
  expect(run([succeeded, network, network]).health.failed).toBe(false);
  expect(run([succeeded, network, network, network]).changed).toEqual([true, false, false, true]);
  expect(run([succeeded, network, network, succeeded, network, network]).health.failed).toBe(false);
});

test('an answer that says ill counts at once, unless it may be tried again', () => {
  expect(run([succeeded, active]).health.failed).toBe(true);
  expect(run([succeeded, { kind: 'failure', failure: 'ACTIVE', retriable: true, excluded: false }]).health.failed).toBe(false);
});

test('edges and health set the interval, and seldom without traffic', () => {
  expect(run([succeeded, succeeded, network, network, network, network, succeeded, succeeded, succeeded]).times).toEqual([
    0, 10_000, 20_000, 21_000, 22_000, 27_000, 32_000, 34_000, 44_000,
  ]);
  expect(run([network, succeeded, succeeded, succeeded], false).times).toEqual([0, 60_000, 110_000, 160_000]);
});

test('timeouts and degraded hosts are told apart', () => {
  expect(run([failed('NETWORK_TIMEOUT')]).health.timedOut).toBe(true);
  expect(run([failed('NETWORK_TIMEOUT'), network]).health.timedOut).toBe(false);
  expect(run([{ kind: 'success', degraded: true, excluded: false }]).health.degraded).toBe(true);
});
