import { createMemorySource, type KubernetesApi, objectKey } from '@xebec/config';
import { seededRandom, silentLogger, systemClock } from '@xebec/core';
import { type ContentChange, contentOf, renderBundle } from '@xebec/history';
import type { ConfigObject } from '@xebec/schemas';
import { Registry } from 'prom-client';
import { afterEach, expect, it, vi } from 'vitest';
import { alone } from '../replicas/replicas.ts';
import { createGatedSource, type GatedSource } from './gated-source.ts';
import { createBundleMetrics } from './metrics.ts';

const object = (kind: string, spec: unknown, version: string): ConfigObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind,
  metadata: {
    name: 'web',
    namespace: 'shop',
    labels: {},
    annotations: {},
    creationTimestamp: '',
    resourceVersion: version,
    uid: 'u',
    generation: 1,
  },
  spec,
});
const route = (subset: string) =>
  object('VirtualService', { hosts: ['web'], http: [{ route: [{ destination: { host: 'web', subset } }] }] }, subset);
const rule = (...subsets: string[]) =>
  object('DestinationRule', { host: 'web', subsets: subsets.map((name) => ({ name })) }, subsets.join());

/** An API server with ConfigBundles alone: `put` is what a client would store, `statuses` what Galley wrote. */
function fakeApi() {
  const bundles: unknown[] = [];
  const statuses: { id: string; phase: string; version?: number }[] = [];
  const events: unknown[] = [];
  let wake: () => void = () => undefined;
  const api: KubernetesApi = {
    get: async () => ({ metadata: { resourceVersion: '1' }, items: [] }),
    send: async (method, path, body) => {
      // Galley's own messages: their form is fixed by the code under test.
      if (method === 'PATCH') statuses.push({ id: path.split('/').at(-2) ?? '', ...(body as { status: { phase: string } }).status });
      else events.push({ method, path });
      return {};
    },
    async *watch(path, signal) {
      if (!path.startsWith('/apis/config.xebec.dev/')) return;
      for (let next = 0; !signal.aborted; ) {
        if (next < bundles.length) yield { type: 'ADDED', object: bundles[next++] };
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
            signal.addEventListener('abort', () => resolve(), { once: true });
          });
      }
    },
  };
  const put = (id: string, changes: readonly ContentChange[], timeoutSeconds = 30) => {
    const rendered = renderBundle({ id, client: 'anna@build7', message: '', timeoutSeconds, changes });
    bundles.push({ ...rendered, metadata: { ...rendered.metadata, resourceVersion: String(bundles.length + 2) } });
    wake();
  };
  return { api, put, statuses, events };
}

const open: GatedSource[] = [];
afterEach(async () => {
  for (const source of open.splice(0)) await source.close();
});

async function start(api: KubernetesApi | undefined, objects: readonly ConfigObject[]) {
  const inner = createMemorySource(objects);
  let number = 40;
  const gated = createGatedSource({
    source: inner,
    api,
    clock: systemClock,
    random: seededRandom(1),
    logger: silentLogger,
    metrics: createBundleMetrics(new Registry()),
    record: async () => ++number,
    replicas: alone,
    onLead: () => undefined,
    onFollow: () => undefined,
  });
  open.push(gated);
  const batches: string[][] = [];
  await gated.start();
  await vi.waitFor(() => expect(gated.synced).toBe(true));
  gated.subscribe((changes) => batches.push(changes.map(({ key }) => key.split('/')[1] ?? '').sort()));
  return { inner, gated, batches };
}
const changes: ContentChange[] = [
  { before: contentOf(route('v1')), after: contentOf(route('v2')) },
  { before: contentOf(rule('v1')), after: contentOf(rule('v2')) },
];

it('tells a client when it holds a bundle, and which version it became', async () => {
  const { api, put, statuses } = fakeApi();
  const { inner, gated, batches } = await start(api, [route('v1'), rule('v1')]);
  put('b1', changes);
  await vi.waitFor(() => expect(statuses).toMatchObject([{ id: 'b1', phase: 'Open' }]));
  inner.apply([rule('v2')]);
  expect(batches).toEqual([]);
  expect(gated.bundles()).toMatchObject([{ id: 'b1', waitingFor: ['VirtualService shop/web'] }]);
  inner.apply([route('v2')]);
  expect(batches).toEqual([['DestinationRule', 'VirtualService']]);
  await vi.waitFor(() => expect(statuses[1]).toMatchObject({ id: 'b1', phase: 'Complete', version: 41 }));
});

it('says in status and Event that a bundle is stalled, and who writes a member hears of it', async () => {
  const { api, put, statuses, events } = fakeApi();
  const { inner, gated } = await start(api, [route('v1'), rule('v1')]);
  put('b1', changes, 1);
  await vi.waitFor(() => expect(statuses).toHaveLength(1));
  inner.apply([rule('v2')]);
  await vi.waitFor(() => expect(statuses[1]).toMatchObject({ phase: 'Stalled', waitingFor: ['VirtualService shop/web'] }), 5_000);
  await vi.waitFor(() => expect(events).toEqual([{ method: 'POST', path: '/api/v1/namespaces/default/events' }]));
  expect(gated.stalledHolderOf(objectKey(rule('v1')))).toBe('b1');
  expect(gated.stalledHolderOf('networking.istio.io/Gateway/shop/web')).toBeUndefined();
  expect(gated.list()).toContainEqual(rule('v1'));
});

it('keeps references whole where there is no API server', async () => {
  const { inner, batches } = await start(undefined, [route('v1'), rule('v1')]);
  inner.apply([route('v2')]);
  expect(batches).toEqual([]);
  inner.apply([rule('v1', 'v2')]);
  expect(batches).toEqual([['DestinationRule', 'VirtualService']]);
});
