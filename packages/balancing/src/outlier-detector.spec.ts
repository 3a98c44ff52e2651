import { expect, test } from 'vitest';
import { createHost } from './host.ts';
import { OutlierDetector, type OutlierEvent, type OutlierOptions } from './outlier-detector.ts';

function setUp(options: OutlierOptions, count = 4) {
  const events: OutlierEvent[] = [];
  const hosts = Array.from({ length: count }, (_v, i) => createHost(`h${i}`));
  const detector = new OutlierDetector(options, { next: () => 0.5 }, (event) => events.push(event));
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
  expect(events).toMatchObject([{ action: 'eject', type: 'consecutive-5xx' }]);
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

test('no more than maxEjectionPercent, but always one', () => {
  const { hosts, fail } = setUp({ maxEjectionPercent: 50 });
  for (const host of hosts) fail(503, 5, 0, host);
  expect(hosts.map((host) => host.ejected)).toEqual([true, true, false, false]);
  const small = setUp({ maxEjectionPercent: 10 });
  for (const host of small.hosts) small.fail(503, 5, 0, host);
  expect(small.hosts.map((host) => host.ejected)).toEqual([true, false, false, false]);
});

test('gateway failures and local origin failures', () => {
  const gateway = setUp({ consecutiveGatewayFailure: 2, enforcingConsecutiveGatewayFailure: 100 });
  gateway.fail(500, 3, 0);
  expect(gateway.first.ejected).toBe(false);
  gateway.fail(504, 2, 0);
  expect(gateway.events).toMatchObject([{ type: 'consecutive-gateway-failure' }]);
  const split = setUp({ splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailure: 2 });
  split.detector.reportLocalOriginFailure(split.first, 0);
  split.detector.reportLocalOriginFailure(split.first, 0);
  expect(split.events).toMatchObject([{ type: 'consecutive-local-origin-failure' }]);
  const joint = setUp({});
  for (let i = 0; i < 5; i++) joint.detector.reportLocalOriginFailure(joint.first, 0);
  expect(joint.events).toMatchObject([
    { action: 'spare', type: 'consecutive-gateway-failure', overflow: false },
    { action: 'eject', type: 'consecutive-5xx' },
  ]);
});

test('enforcing 0 detects only', () => {
  const { first, fail } = setUp({ enforcingConsecutive5xx: 0 });
  fail(500, 20, 0);
  expect(first.ejected).toBe(false);
});
