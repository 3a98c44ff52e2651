import { seededRandom } from '@xebec/core';
import { expect, test } from 'vitest';
import { createHost, type Host } from './host.ts';
import { createLoadBalancer } from './load-balancer.ts';
import { createSubsetBalancer, type SubsetOptions } from './subset-balancer.ts';
import { metadataCriteria } from './subset-criteria.ts';

const metadata: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  a: { version: 'v1', stage: 'prod' },
  b: { version: 'v2', stage: 'prod' },
  c: { version: ['v1', 'v3'], stage: 'dev' },
};

function setUp(options: Partial<SubsetOptions>) {
  const events: string[] = [];
  const balancer = createSubsetBalancer<Host>(
    ['a', 'b', 'c'].map((name) => createHost(name)),
    {
      selectors: [{ keys: ['version'], singleHost: false, fallback: undefined, fallbackKeys: [] }],
      fallback: 'none',
      defaultSubset: {},
      panicModeAny: false,
      listAsAny: false,
      fallbackList: false,
      ...options,
    },
    (host) => metadata[host.address] ?? {},
    (hosts) => createLoadBalancer(hosts, { policy: { kind: 'round-robin' } }),
    (event) => events.push(event),
  );
  const random = seededRandom(1);
  const ask = (values: Record<string, unknown> | undefined) => {
    const found = new Set<string | undefined>();
    for (let i = 0; i < 6; i++) found.add(balancer.choose({ random, metadata: metadataCriteria(values) })?.address);
    return [...found].sort();
  };
  return { ask, events, balancer };
}

test('a subset by its metadata; nothing without one', () => {
  const { ask, events, balancer } = setUp({});
  expect(ask({ version: 'v1' })).toEqual(['a']);
  expect(ask({ version: 'v9' })).toEqual([undefined]);
  expect(ask({ stage: 'prod' })).toEqual([undefined]);
  expect(ask(undefined)).toEqual([undefined]);
  expect(new Set(events)).toEqual(new Set(['lb_subsets_selected']));
  expect(balancer.subsets).toBe(3);
});

test('fallbacks: any host, the default subset, fewer keys, what panic allows', () => {
  expect(setUp({ fallback: 'any' }).ask({ version: 'v9' })).toEqual(['a', 'b', 'c']);
  expect(setUp({ fallback: 'default', defaultSubset: { stage: 'prod' } }).ask({ version: 'v9' })).toEqual(['a', 'b']);
  const fewer = setUp({
    selectors: [
      { keys: ['version', 'stage'], singleHost: false, fallback: 'keys', fallbackKeys: ['stage'] },
      { keys: ['stage'], singleHost: false, fallback: undefined, fallbackKeys: [] },
    ],
  });
  expect(fewer.ask({ version: 'v9', stage: 'prod' })).toEqual(['a', 'b']);
  const panic = setUp({ fallback: 'default', defaultSubset: { stage: 'gone' }, panicModeAny: true });
  expect(panic.ask({ version: 'v9' })).toEqual(['a', 'b', 'c']);
  expect(panic.events).toContain('lb_subsets_fallback_panic');
});

test('lists of values, one host a subset, alternatives of the request', () => {
  expect(setUp({ listAsAny: true }).ask({ version: 'v1' })).toEqual(['a', 'c']);
  const single = setUp({ selectors: [{ keys: ['stage'], singleHost: true, fallback: undefined, fallbackKeys: [] }] });
  expect(single.ask({ stage: 'prod' })).toEqual(['a']);
  expect(setUp({ fallbackList: true }).ask({ fallback_list: [{ version: 'v9' }, { version: 'v2' }] })).toEqual(['b']);
});
