import type { KubernetesApi } from '@xebec/config';
import { silentLogger, VirtualClock } from '@xebec/core';
import { CLUSTER_TYPE, LISTENER_TYPE } from '@xebec/xds';
import { afterEach, describe, expect, it } from 'vitest';
import { AdsClient, objectsOf, REVIEWS, sidecarNode, startPilot } from '../testing/pilot-fixture.ts';
import { StatusWriter } from './status-writer.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function pilot() {
  const mesh = await startPilot(objectsOf(REVIEWS));
  cleanups.push(() => mesh.close());
  const connect = (name: string) => {
    const client = new AdsClient(mesh.port, sidecarNode(name), 'sotw');
    cleanups.push(() => client.close());
    return client;
  };
  const select = (name = 'reviews', generation = 0) => ({ kind: 'VirtualService', namespace: 'default', name, generation });
  return { mesh, connect, select };
}

const changed = objectsOf(
  REVIEWS.replace(
    'generation: 1}\nspec:\n  hosts: [reviews.default.svc.cluster.local]\n  http',
    'generation: 2}\nspec:\n  hosts: [reviews.default.svc.cluster.local]\n  http',
  ).replace('http: [{route', 'http: [{timeout: 3s, route'),
);

describe('on how many proxies an object is live', () => {
  it('counts who has answered for it, and names who refuses what it made', async () => {
    const { mesh, connect, select } = await pilot();
    const [one, two] = [connect('one'), connect('two')];
    for (const client of [one, two]) {
      await client.fetch(CLUSTER_TYPE);
      await client.fetch(LISTENER_TYPE);
    }
    const { progress } = mesh;
    expect(await progress.wait(select(), 5_000)).toMatchObject([{ live: 2, proxies: 2, state: 'live', generation: 1 }]);
    const service = objectsOf(REVIEWS.replace('STATIC', 'DNS').replace('generation: 1', 'generation: 2'));
    mesh.source.apply(service);
    const [first, second] = await Promise.all([one.next(), two.next()]);
    expect([first.typeUrl, second.typeUrl]).toEqual([CLUSTER_TYPE, CLUSTER_TYPE]);
    one.send(CLUSTER_TYPE, { nonce: first.nonce });
    const entry = { ...select(), kind: 'ServiceEntry', generation: 2 };
    expect(await progress.wait(entry, 100)).toMatchObject([{ live: 1, state: 'pending', waiting: [sidecarNode('two').id] }]);
    two.send(CLUSTER_TYPE, { nonce: second.nonce, error: 'Error adding cluster' });
    expect(await progress.wait(entry, 5_000)).toMatchObject([
      {
        live: 1,
        proxies: 2,
        state: 'rejected',
        rejected: [{ proxy: sidecarNode('two').id, type: 'CDS', message: 'Error adding cluster' }],
      },
    ]);
  });

  it('waits for a generation that has not arrived yet', async () => {
    const { mesh, connect, select } = await pilot();
    await connect('one').fetch(CLUSTER_TYPE);
    expect(await mesh.progress.wait(select('reviews', 2), 50)).toEqual([]);
    const waiting = mesh.progress.wait(select('reviews', 2), 5_000);
    mesh.source.apply(changed);
    expect(await waiting).toMatchObject([{ generation: 2, state: 'live', live: 1 }]);
  });
});

describe('status', () => {
  it('is written once an object is live, keeps conditions of others, and is left alone after that', async () => {
    const { mesh, connect } = await pilot();
    await connect('one').fetch(CLUSTER_TYPE);
    await mesh.progress.wait({ kind: '', namespace: '', name: '', generation: 0 }, 5_000);
    const clock = new VirtualClock(Date.parse('2026-11-21T00:00:00Z'));
    const sent: { path: string; body: unknown }[] = [];
    const api: KubernetesApi = {
      get: async () => ({ metadata: { generation: 1, resourceVersion: '7' }, status: { conditions: [{ type: 'Other', status: 'True' }] } }),
      send: async (_method, path, body) => void sent.push({ path, body }),
      // biome-ignore lint/correctness/useYield: nothing is watched here
      async *watch() {
        throw new Error('not used');
      },
    };
    const writer = new StatusWriter({ api, progress: mesh.progress, clock, logger: silentLogger });
    writer.start();
    cleanups.push(() => writer.close());
    clock.advance(1_000);
    await expect.poll(() => sent.length).toBe(2);
    expect(sent[1]).toEqual({
      path: '/apis/networking.istio.io/v1/namespaces/default/virtualservices/reviews/status',
      body: {
        metadata: { resourceVersion: '7' },
        status: {
          observedGeneration: 1,
          conditions: [
            { type: 'Other', status: 'True' },
            {
              type: 'Reconciled',
              status: 'True',
              reason: 'Live',
              message: 'live on 1 of 1 proxies',
              lastProbeTime: '2026-11-21T00:00:01Z',
              lastTransitionTime: '2026-11-21T00:00:01Z',
            },
          ],
        },
      },
    });
    await expect.poll(() => clock.pending).toBe(1);
    clock.advance(1_000);
    await expect.poll(() => clock.pending).toBe(1);
    expect(sent).toHaveLength(2);
  });
});
