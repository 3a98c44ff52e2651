import { ApiError } from '@xebec/config';
import { silentLogger, VirtualClock } from '@xebec/core';
import { type MeshProxy, proxyFromNode } from '@xebec/model';
import type { ConfigObject, WorkloadGroupSpec } from '@xebec/schemas';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { createPilotMetrics } from '../metrics.ts';
import type { StoredEntry } from './entry-api.ts';
import { Registrar, type RegistrarOptions } from './registrar.ts';
import { CONNECTED_AT, CONTROLLER, DISCONNECTED_AT } from './workload-entry.ts';

const CALLER = { namespace: 'vms', serviceAccount: 'db' };

function node(metadata: Record<string, string>): MeshProxy {
  const proxy = proxyFromNode({
    id: 'sidecar~192.0.2.7~vm-1.vms~vms.svc.cluster.local',
    metadata: { NAMESPACE: 'vms', NETWORK: 'office', LABELS: { class: 'vm' }, ...metadata },
    locality: { region: 'eu', zone: 'a', subZone: '' },
    extensions: [],
  });
  if (!proxy.ok) throw new Error(proxy.error);
  return proxy.value;
}

const group: ConfigObject<WorkloadGroupSpec> = {
  apiVersion: 'networking.istio.io/v1',
  kind: 'WorkloadGroup',
  metadata: {
    name: 'db',
    namespace: 'vms',
    labels: {},
    annotations: {},
    creationTimestamp: '',
    resourceVersion: '1',
    uid: 'u-1',
    generation: 1,
  },
  spec: {
    metadata: { labels: { app: 'db' } },
    template: { serviceAccount: 'db', ports: { tcp: 5432 } },
    probe: { tcpSocket: { port: 5432 } },
  },
};

interface Stored {
  object: Record<string, unknown>;
  annotations: Record<string, string>;
  conditions: readonly Record<string, unknown>[];
  version: number;
}

/** An API server that holds WorkloadEntries and knows versions; the first write of each kind in `losing` is refused. */
function setUp(losing: Set<string> = new Set()) {
  const stored = new Map<string, Stored>();
  const clock = new VirtualClock(Date.parse('2026-11-21T12:00:00Z'));
  const entry = (key: string, version: string): Stored => {
    const found = stored.get(key);
    if (found === undefined) throw new ApiError(404, 'not found');
    if (String(found.version) !== version) throw new ApiError(409, 'conflict');
    return found;
  };
  const entries: RegistrarOptions['entries'] = {
    get: async (namespace, name): Promise<StoredEntry | undefined> => {
      const found = stored.get(`${namespace}/${name}`);
      if (found === undefined) return undefined;
      const spec = found.object['spec'] as { serviceAccount?: string };
      return {
        annotations: { ...found.annotations },
        resourceVersion: String(found.version),
        serviceAccount: spec.serviceAccount ?? '',
        conditions: found.conditions,
      };
    },
    create: async (namespace, object) => {
      const { name, annotations } = object['metadata'] as { name: string; annotations: Record<string, string> };
      stored.set(`${namespace}/${name}`, { object, annotations: { ...annotations }, conditions: [], version: 1 });
    },
    annotate: async (namespace, name, version, changes) => {
      const found = entry(`${namespace}/${name}`, version);
      if (losing.delete('annotate')) throw new ApiError(409, 'conflict');
      for (const [key, value] of Object.entries(changes)) {
        if (value === undefined) delete found.annotations[key];
        else found.annotations[key] = value;
      }
      found.version++;
    },
    setConditions: async (namespace, name, version, conditions) => {
      const found = entry(`${namespace}/${name}`, version);
      found.conditions = conditions;
      found.version++;
    },
    delete: async (namespace, name, version) => {
      entry(`${namespace}/${name}`, version);
      stored.delete(`${namespace}/${name}`);
    },
  };
  const registrar = new Registrar({
    entries,
    groups: (namespace, name) => (namespace === 'vms' && name === 'db' ? group : undefined),
    known: () => [],
    instance: 'pilot-1',
    autoRegistration: true,
    healthChecks: true,
    graceMs: 10_000,
    metrics: createPilotMetrics(new Registry()),
    clock,
    logger: silentLogger,
  });
  return { registrar, stored, clock };
}

const NAME = 'vms/db-192.0.2.7-office';
const settled = (check: () => unknown) => expect.poll(check, { interval: 1 });

describe('a workload that names a group', () => {
  it('gets an entry made from the group, from what its node says, and owned by the group', async () => {
    const { registrar, stored } = setUp();
    expect(await registrar.connect({}, node({ AUTO_REGISTER_GROUP: 'db' }), CALLER)).toEqual({
      namespace: 'vms',
      name: 'db-192.0.2.7-office',
      automatic: true,
    });
    expect(stored.get(NAME)?.object).toEqual({
      apiVersion: 'networking.istio.io/v1',
      kind: 'WorkloadEntry',
      metadata: {
        name: 'db-192.0.2.7-office',
        namespace: 'vms',
        labels: { app: 'db', class: 'vm' },
        annotations: {
          'istio.io/autoRegistrationGroup': 'db',
          'proxy.istio.io/health-checks-enabled': 'true',
          [CONTROLLER]: 'pilot-1',
          [CONNECTED_AT]: '2026-11-21T12:00:00.000Z',
        },
        ownerReferences: [{ apiVersion: 'networking.istio.io/v1', kind: 'WorkloadGroup', name: 'db', uid: 'u-1', controller: true }],
      },
      spec: {
        address: '192.0.2.7',
        labels: { app: 'db', class: 'vm' },
        ports: { tcp: 5432 },
        serviceAccount: 'db',
        network: 'office',
        locality: 'eu/a',
      },
    });
  });

  it('keeps the entry while one of its streams is open or it comes back in time, and loses it after that', async () => {
    const { registrar, stored, clock } = setUp(new Set(['annotate']));
    const proxy = node({ AUTO_REGISTER_GROUP: 'db' });
    const [one, two] = [{}, {}];
    const first = await registrar.connect(one, proxy, CALLER);
    const second = registrar.connect(two, proxy, CALLER);
    // The first annotation loses against another writer and is made again.
    await settled(() => clock.pending).toBe(1);
    clock.advance(100);
    expect(await second).toEqual(first);
    if (first === undefined) throw new Error('not registered');
    registrar.disconnect(one, first);
    clock.advance(60_000);
    expect(stored.get(NAME)?.annotations[DISCONNECTED_AT]).toBeUndefined();
    registrar.disconnect(two, first);
    await settled(() => stored.get(NAME)?.annotations[DISCONNECTED_AT]).toBeDefined();
    await settled(() => clock.pending).toBe(1);
    clock.advance(5_000);
    const third = {};
    await registrar.connect(third, proxy, CALLER);
    expect(stored.get(NAME)?.annotations).toMatchObject({ [CONTROLLER]: 'pilot-1', [CONNECTED_AT]: expect.any(String) });
    clock.advance(20_000);
    await settled(() => clock.pending).toBe(0);
    expect(stored.has(NAME)).toBe(true);
    registrar.disconnect(third, first);
    await settled(() => clock.pending).toBe(1);
    clock.advance(10_000);
    await settled(() => stored.has(NAME)).toBe(false);
  });

  it.each([
    ['without credentials', undefined, /needs credentials/],
    ['of another namespace', { namespace: 'other', serviceAccount: 'db' }, /of namespace "other"/],
    ['of another service account', { namespace: 'vms', serviceAccount: 'web' }, /for service account "db".*"web"/],
  ])('is refused %s', async (_what, caller, message) => {
    const { registrar, stored } = setUp();
    await expect(registrar.connect({}, node({ AUTO_REGISTER_GROUP: 'db' }), caller)).rejects.toThrow(message);
    expect(stored.size).toBe(0);
  });

  it('is refused when the group does not exist', async () => {
    const { registrar } = setUp();
    await expect(registrar.connect({}, node({ AUTO_REGISTER_GROUP: 'nowhere' }), CALLER)).rejects.toThrow(
      /WorkloadGroup vms\/nowhere does not exist/,
    );
  });
});

describe('health', () => {
  it('becomes the condition Healthy, whose transition time stays while nothing changes', async () => {
    const { registrar, stored, clock } = setUp();
    const held = await registrar.connect({}, node({ AUTO_REGISTER_GROUP: 'db' }), CALLER);
    if (held === undefined) throw new Error('not registered');
    registrar.report(held, { healthy: false, message: 'connection refused' });
    await settled(() => stored.get(NAME)?.conditions).toEqual([
      {
        type: 'Healthy',
        status: 'False',
        message: 'connection refused',
        lastProbeTime: '2026-11-21T12:00:00.000Z',
        lastTransitionTime: '2026-11-21T12:00:00.000Z',
      },
    ]);
    clock.advance(1_000);
    registrar.report(held, { healthy: true, message: '' });
    await settled(() => stored.get(NAME)?.conditions).toMatchObject([{ status: 'True', lastTransitionTime: '2026-11-21T12:00:01.000Z' }]);
    clock.advance(1_000);
    registrar.report(held, { healthy: true, message: '' });
    await settled(() => stored.get(NAME)?.conditions).toMatchObject([
      { status: 'True', lastProbeTime: '2026-11-21T12:00:02.000Z', lastTransitionTime: '2026-11-21T12:00:01.000Z' },
    ]);
  });

  it('is not for nodes that name neither a group nor an entry', async () => {
    const { registrar } = setUp();
    expect(await registrar.connect({}, node({}), CALLER)).toBeUndefined();
    await expect(registrar.connect({}, node({ WORKLOAD_ENTRY: 'missing' }), CALLER)).rejects.toThrow(/does not exist/);
  });
});
