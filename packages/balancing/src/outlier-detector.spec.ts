import { expect, test } from 'vitest';
import { createHost } from './host.ts';
import { OutlierDetector, type OutlierEvent } from './outlier-detector.ts';
import type { OutlierOptions } from './outlier-options.ts';

function setUp(options: OutlierOptions, count = 4) {
  const events: OutlierEvent[] = [];
  const hosts = Array.from({ length: count }, (_v, i) => createHost(`h${i}`));
  const detector = new OutlierDetector({ maxEjectionPercent: 50, ...options }, { next: () => 0.5 }, (event) => events.push(event));
  detector.setHosts(hosts);
  const first = hosts[0] ?? createHost('none');
  const fail = (status: number, times: number, at: number, host = first) => {
    for (let i = 0; i < times; i++) detector.reportStatus(host, status, at);
  };
  return { events, hosts, detector, first, fail };
}

test('consecutive 5xx eject; a success in between starts anew', () => {
  const { first, fail, events } = setUp({});
  fail(500, 4, 0);
  fail(200, 1, 0);
  fail(500, 4, 0);
  expect(first.ejected).toBe(false);
  fail(500, 1, 0);
  expect(first.ejected).toBe(true);
  expect(events).toMatchObject([{ action: 'eject', type: 'consecutive_5xx' }]);
});

test('the ejection grows with each time and shrinks with healthy intervals', () => {
  const { first, fail, detector } = setUp({});
  fail(500, 5, 0);
  detector.tick(20_000);
  expect(first.ejected).toBe(true);
  detector.tick(30_000);
  expect(first.ejected).toBe(false);
  fail(500, 5, 31_000);
  detector.tick(70_000);
  expect(first.ejected).toBe(true);
  detector.tick(91_000);
  expect(first.ejected).toBe(false);
  detector.tick(101_000);
  detector.tick(111_000);
  fail(500, 5, 112_000);
  detector.tick(142_000);
  expect(first.ejected).toBe(false);
});

test('no more than maxEjectionPercent, one in any case only if asked for', () => {
  const { hosts, fail } = setUp({ maxEjectionPercent: 50 });
  for (const host of hosts) fail(503, 5, 0, host);
  expect(hosts.map((host) => host.ejected)).toEqual([true, true, false, false]);
  const none = setUp({ maxEjectionPercent: 10 });
  for (const host of none.hosts) none.fail(503, 5, 0, host);
  expect(none.hosts.map((host) => host.ejected)).toEqual([false, false, false, false]);
  const small = setUp({ maxEjectionPercent: 10, alwaysEjectOneHost: true });
  for (const host of small.hosts) small.fail(503, 5, 0, host);
  expect(small.hosts.map((host) => host.ejected)).toEqual([true, false, false, false]);
});

test('gateway failures and local origin failures', () => {
  const gateway = setUp({ consecutiveGatewayFailure: 2, enforcingConsecutiveGatewayFailure: 100 });
  gateway.fail(500, 3, 0);
  expect(gateway.first.ejected).toBe(false);
  gateway.fail(504, 2, 0);
  expect(gateway.events).toMatchObject([{ type: 'consecutive_gateway_failure' }]);
  const split = setUp({ splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailure: 2 });
  split.detector.reportLocalOriginFailure(split.first, 0);
  split.detector.reportLocalOriginFailure(split.first, 0);
  expect(split.events).toMatchObject([{ type: 'consecutive_local_origin_failure' }]);
  const joint = setUp({});
  for (let i = 0; i < 5; i++) joint.detector.reportLocalOriginFailure(joint.first, 0);
  expect(joint.events).toMatchObject([
    { action: 'spare', type: 'consecutive_gateway_failure', overflow: false },
    { action: 'eject', type: 'consecutive_5xx' },
  ]);
});

test('enforcing 0 detects only', () => {
  const { first, fail } = setUp({ enforcingConsecutive5xx: 0 });
  fail(500, 20, 0);
  expect(first.ejected).toBe(false);
});

test('a host whose success rate stands out, and one that fails too much', () => {
  const many = (rate: number, options: OutlierOptions) => {
    const set = setUp({ enforcingConsecutive5xx: 0, ...options }, 5);
    for (const [i, host] of set.hosts.entries()) for (let n = 0; n < 100; n++) set.fail(i === 0 && n >= rate ? 500 : 200, 1, 0, host);
    set.events.length = 0;
    set.detector.tick(10_000);
    return set;
  };
  const outlier = many(50, { successRateStdevFactor: 1500 });
  expect(outlier.events).toMatchObject([{ action: 'eject', type: 'success_rate' }]);
  expect(outlier.detector.averages.external.average).toBe(90);
  expect(outlier.detector.rates(outlier.first).external).toBe(50);
  expect(many(50, { enforcingFailurePercentage: 100, failurePercentageThreshold: 50, enforcingSuccessRate: 0 }).events).toMatchObject([
    { action: 'spare', type: 'success_rate' },
    { action: 'eject', type: 'failure_percentage' },
  ]);
  expect(many(100, {}).events).toEqual([]);
});

test('an active health check brings a host back', () => {
  const { first, fail, detector, events } = setUp({});
  fail(500, 5, 0);
  detector.reportHealthy(first);
  expect(first.ejected).toBe(false);
  expect(detector.ejectedCount).toBe(0);
  expect(events.at(-1)).toMatchObject({ action: 'uneject' });
});
