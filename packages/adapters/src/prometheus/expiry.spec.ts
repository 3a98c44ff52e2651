import { expect, it } from 'vitest';
import { testEnvironment } from '../test-environment.ts';
import { prometheus } from './adapter.ts';

const params = (policy: object) => ({
  metricsExpirationPolicy: policy,
  metrics: [{ name: 'seen', instance_name: 'seen', kind: 'COUNTER', label_names: ['path'] }],
});

function setup(policy: object) {
  const { environment, registry, clock } = testEnvironment();
  const handler = prometheus.configure(params(policy), environment);
  if (!handler.ok) throw new Error(JSON.stringify(handler.error));
  const see = (path: string) => {
    const dimensions = new Map([['path', { type: 'STRING' as const, value: path }]]);
    const fields = { value: { type: 'INT64' as const, value: 1n }, dimensions };
    return handler.value.report?.([{ name: `seen.${environment.namespace}`, template: 'metric', fields }]);
  };
  const paths = async () =>
    (await registry.metrics())
      .split('\n')
      .filter((line) => line.startsWith('istio_seen{'))
      .map((line) => /path="([^"]*)"} (\d+)/.exec(line)?.slice(1).join('='));
  return { handler: handler.value, see, paths, clock };
}

it('forgets series that stand still, and counts them from nothing when they come again', async () => {
  const { see, paths, clock, handler } = setup({ metricsExpiryDuration: '10s', expiryCheckIntervalDuration: '1s' });
  see('/once');
  see('/again');
  for (let i = 0; i < 9; i++) {
    clock.advance(1000);
    see('/again');
  }
  expect(await paths()).toEqual(['/once=1', '/again=10']);
  for (let i = 0; i < 4; i++) {
    clock.advance(1000);
    see('/again');
  }
  expect(await paths()).toEqual(['/again=14']);
  see('/once');
  expect(await paths()).toEqual(['/again=14', '/once=1']);
  await handler.close?.();
  expect(clock.pending).toBe(0);
});

it('looks twice in the time unless told otherwise', async () => {
  const { see, paths, clock } = setup({ metrics_expiry_duration: '10s' });
  see('/once');
  clock.advance(15_000);
  expect(await paths()).toEqual(['/once=1']);
  clock.advance(6_000);
  expect(await paths()).toEqual([]);
});

it.each([[{}], [{ metricsExpiryDuration: 'soon' }], [{ metricsExpiryDuration: '0s' }], [{ metricsExpiryDuration: '1s', often: true }]])(
  'refuses %j',
  (policy) => {
    expect(prometheus.check(params(policy))[0]?.path).toContain('metrics_expiration_policy');
  },
);
