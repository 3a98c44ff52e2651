import type { ConfigVersion } from '@xebec/history';
import { describe, expect, it } from 'vitest';
import type { HistoryStore } from './history-store.ts';

export const version = (number: number, name = 'a'): ConfigVersion => ({
  number,
  time: '2026-11-21T03:00:00.000Z',
  author: 'anna',
  cause: 'change',
  bundle: '',
  message: 'why',
  changes: [
    {
      before: undefined,
      after: {
        apiVersion: 'networking.istio.io/v1',
        kind: 'Sidecar',
        metadata: { name, namespace: 'shop', labels: {}, annotations: {} },
        body: { spec: { egress: [{ hosts: ['*/*'] }] } },
      },
    },
  ],
});

/** What every place that keeps versions must do. */
export function describeHistoryStore(name: string, open: () => Promise<HistoryStore>): void {
  describe(`${name} keeps versions`, () => {
    it('and gives them back as they were, oldest first', async () => {
      const store = await open();
      expect(await store.list()).toEqual([]);
      for (const number of [1, 2, 10]) expect(await store.add(version(number))).toBe(true);
      expect(await store.list()).toEqual([version(1), version(2), version(10)]);
    });
    it('and does not write one over another', async () => {
      const store = await open();
      await store.list();
      expect(await store.add(version(1, 'first'))).toBe(true);
      expect(await store.add(version(1, 'second'))).toBe(false);
      expect(await store.list()).toEqual([version(1, 'first')]);
    });
    it('and drops them; what is gone can be dropped again', async () => {
      const store = await open();
      await store.list();
      await store.add(version(1));
      await store.remove(1);
      await store.remove(1);
      expect(await store.list()).toEqual([]);
    });
  });
}
