import { silentLogger, VirtualClock } from '@xebec/core';
import { expect, it, vi } from 'vitest';
import { ApiError, type KubernetesApi } from './kubernetes-api.ts';
import { contendForLease, type Lease } from './lease.ts';

/** An API server with Leases alone; `answers` false: it is away, or a status with which it refuses. */
function fakeApi() {
  const state: { answers: boolean; refuses: number | undefined; version: number; lease: Record<string, unknown> | undefined } = {
    answers: true,
    refuses: undefined,
    version: 0,
    lease: undefined,
  };
  const check = () => {
    if (!state.answers) throw new Error('away');
    if (state.refuses !== undefined) throw new ApiError(state.refuses, 'no');
  };
  const store = (body: unknown) => {
    // What the code under test sends: its form is checked by the embedded API server in the suite of two galleys.
    const lease = structuredClone(body) as { metadata: Record<string, unknown> };
    state.lease = { ...lease, metadata: { ...lease.metadata, resourceVersion: String(++state.version) } };
  };
  const api: KubernetesApi = {
    get: async () => {
      check();
      if (state.lease === undefined) throw new ApiError(404, 'not found');
      return structuredClone(state.lease);
    },
    send: async (method, _path, body) => {
      check();
      const version = (body as { metadata?: { resourceVersion?: string } } | undefined)?.metadata?.resourceVersion;
      if (method === 'POST' && state.lease !== undefined) throw new ApiError(409, 'exists');
      if (method === 'PUT' && version !== String(state.version)) throw new ApiError(409, 'changed');
      if (method === 'DELETE') state.lease = undefined;
      else store(body);
      return {};
    },
    watch: async function* () {},
  };
  return { api, state };
}

const clock = () => new VirtualClock(Date.parse('2026-11-21T00:00:00Z'));

function contend(api: KubernetesApi, time: VirtualClock, identity: string, onClose: 'hand-over' | 'remove' = 'hand-over'): Lease {
  return contendForLease({
    api,
    namespace: 'istio-system',
    name: 'leader',
    identity,
    onClose,
    clock: time,
    logger: silentLogger,
    onChange: () => undefined,
  });
}

/** Lets time pass in steps, so that what was asked for is answered in between. */
async function pass(time: VirtualClock, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 500) {
    time.advance(500);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

it('is held by one, and by another within its time when nothing is heard of the first', async () => {
  const { api, state } = fakeApi();
  const time = clock();
  const dying: KubernetesApi = { ...api };
  const first = contend(dying, time, 'a');
  await vi.waitFor(() => expect(first.held).toBe(true));
  const second = contend(api, time, 'b');
  await pass(time, 60_000);
  expect([first.held, second.held]).toEqual([true, false]);
  dying.get = async () => Promise.reject(new Error('away'));
  await pass(time, 8_000);
  // It knows before anybody else has the lease.
  expect([first.held, second.held]).toEqual([false, false]);
  await pass(time, 6_000);
  expect([first.held, second.held]).toEqual([false, true]);
  expect(state.lease).toMatchObject({ spec: { holderIdentity: 'b', leaseTransitions: 2 } });
  await Promise.all([first.close(), second.close()]);
});

it('is handed over when its holder closes, and taken up at once by the same holder after a restart', async () => {
  const { api } = fakeApi();
  const time = clock();
  const first = contend(api, time, 'a');
  await vi.waitFor(() => expect(first.held).toBe(true));
  const again = contend(api, time, 'a');
  await vi.waitFor(() => expect(again.held).toBe(true));
  const second = contend(api, time, 'b');
  await first.close();
  await again.close();
  await pass(time, 2_500);
  expect(second.held).toBe(true);
  await second.close();
});

it('can be removed with its holder', async () => {
  const { api, state } = fakeApi();
  const lease = contend(api, clock(), 'a', 'remove');
  await vi.waitFor(() => expect(lease.held).toBe(true));
  await lease.close();
  expect(state.lease).toBeUndefined();
});

it('counts as held where leases are forbidden, and is contended for as soon as they are not', async () => {
  const { api, state } = fakeApi();
  const time = clock();
  state.refuses = 403;
  const lease = contend(api, time, 'a');
  await vi.waitFor(() => expect(lease.held).toBe(true));
  state.refuses = undefined;
  state.lease = { metadata: { resourceVersion: '0' }, spec: { holderIdentity: 'b', leaseDurationSeconds: 10, renewTime: 'x' } };
  await pass(time, 2_500);
  expect(lease.held).toBe(false);
  await lease.close();
});
