import { seededRandom } from '@xebec/core';
import type { ConfigObject } from '@xebec/schemas';
import { describe, expect, it } from 'vitest';
import { endpointSlice, istioObjects, pod, service } from './testing/mesh-objects.ts';
import { createViewMesh, proxyOf, type ViewMesh } from './testing/view-mesh.ts';

const NAMES = ['s0', 's1', 's2', 's3'];
/** The computations that cost something. */
const COSTLY = ['cluster', 'load assignment', 'own clusters', 'own listeners', 'route configuration', 'shared listeners'] as const;
type Costly = (typeof COSTLY)[number];

const make = (kind: string, name: string, variant: number): ConfigObject => {
  if (kind === 'Service') return service(name, variant);
  if (kind === 'EndpointSlice') return endpointSlice(name, variant);
  if (kind === 'Pod') return pod(name, variant);
  const maker = istioObjects[kind];
  if (maker === undefined) throw new Error(`no object of kind ${kind}`);
  return maker(name, variant);
};
const KINDS = ['Service', 'EndpointSlice', 'Pod', ...Object.keys(istioObjects)];

/** Two workloads of one namespace, one of another, and a gateway. */
const proxies = () => [
  proxyOf('s0-0', { address: '10.0.0.1', labels: { app: 's0', version: 'v0' } }),
  proxyOf('s1-0', { address: '10.0.0.2', labels: { app: 's1', version: 'v0' } }),
  proxyOf('other', { address: '10.0.9.1', namespace: 'other', labels: { app: 'other' } }),
  proxyOf('gateway', { address: '10.0.9.2', namespace: 'other', labels: { app: 'gateway' }, type: 'router' }),
];

/** What a change of one object of a kind, about the workload and service s0, makes necessary; everything else stays as it is. */
const NECESSARY: Readonly<Record<string, readonly Costly[]>> = {
  Service: ['cluster', 'load assignment', 'own clusters', 'own listeners', 'route configuration', 'shared listeners'],
  EndpointSlice: ['load assignment'],
  Pod: ['load assignment', 'own clusters', 'own listeners'],
  VirtualService: ['route configuration'],
  DestinationRule: ['cluster', 'load assignment', 'own clusters', 'route configuration', 'shared listeners'],
  // It may select the workload, which then serves one more service.
  ServiceEntry: ['cluster', 'load assignment', 'own clusters', 'own listeners', 'route configuration', 'shared listeners'],
  WorkloadEntry: ['load assignment'],
  Sidecar: ['load assignment', 'own clusters', 'own listeners', 'route configuration', 'shared listeners'],
  EnvoyFilter: ['own clusters', 'route configuration'],
  Gateway: ['own clusters', 'route configuration', 'shared listeners'],
  PeerAuthentication: ['cluster', 'load assignment', 'own listeners'],
  RequestAuthentication: ['own listeners'],
  AuthorizationPolicy: ['own listeners'],
  Telemetry: ['own listeners', 'shared listeners'],
  ProxyConfig: ['own listeners', 'shared listeners'],
};

describe('a change of one object computes no more than what depends on it', () => {
  interface Costs {
    readonly first: ReadonlyMap<string, number>;
    readonly change: ReadonlyMap<string, number>;
  }
  /** How often each computation runs for all four proxies: at first, and when an object about s0 comes as another variant. */
  async function costs(kind: string): Promise<Costs> {
    const base = NAMES.flatMap((name) => [service(name), endpointSlice(name), pod(name)]);
    const others = Object.keys(istioObjects)
      .filter((other) => other !== 'Sidecar')
      .map((other) => make(other, 's1', 0));
    const changing = base.some((one) => one.kind === kind) ? [] : [make(kind, 's0', 0)];
    const mesh = await createViewMesh([...base, ...others, ...changing]);
    const all = proxies();
    const look = () => {
      for (const proxy of all) mesh.resources(proxy);
      return new Map(mesh.views.stats.computed);
    };
    const first = look();
    mesh.apply([make(kind, 's0', 1)]);
    const after = look();
    return { first, change: new Map([...after].map(([name, count]) => [name, count - (first.get(name) ?? 0)])) };
  }

  it.each(KINDS)('%s', async (kind) => {
    const { first, change } = await costs(kind);
    const ran = COSTLY.filter((name) => (change.get(name) ?? 0) > 0);
    expect(NECESSARY[kind]).toEqual(expect.arrayContaining(ran));
    // Of what there is for each service, most is about others.
    for (const name of ['cluster', 'load assignment']) expect(change.get(name) ?? 0).toBeLessThan((first.get(name) ?? 0) / 2);
    expect(change.get('own listeners') ?? 0).toBeLessThan(3);
  });

  it('nothing at all where it is nothing to any proxy', async () => {
    const mesh = await createViewMesh([service('s0'), endpointSlice('s0')]);
    const all = proxies();
    for (const proxy of all) mesh.resources(proxy);
    const before = new Map(mesh.views.stats.computed);
    mesh.apply([pod('s9')]);
    for (const proxy of all) mesh.resources(proxy);
    expect(new Map(mesh.views.stats.computed)).toEqual(before);
  });
});

it('proxies of a namespace share what they call: names, addresses and labels of their own make no difference', async () => {
  const mesh = await createViewMesh([...NAMES.flatMap((name) => [service(name), endpointSlice(name)]), make('VirtualService', 's0', 0)]);
  const [first, second] = proxies();
  if (first === undefined || second === undefined) throw new Error('two proxies are needed');
  mesh.resources(first);
  const before = new Map(mesh.views.stats.computed);
  mesh.resources(second);
  const again = [...mesh.views.stats.computed].filter(([name, count]) => count > (before.get(name) ?? 0)).map(([name]) => name);
  for (const shared of [
    'cluster',
    'load assignment',
    'route configuration',
    'shared clusters',
    'shared listeners',
    'layer of shared endpoints',
  ])
    expect(again).not.toContain(shared);
});

describe('random configurations in random order', () => {
  const final = async (mesh: ViewMesh) => proxies().map((proxy) => mesh.resources(proxy));

  it.each([1, 2, 3, 4, 5, 6])('end in the same bytes as one from scratch (seed %i)', async (seed) => {
    const random = seededRandom(seed);
    const pick = <T>(list: readonly T[]): T => {
      const one = list[Math.floor(random.next() * list.length)];
      if (one === undefined) throw new Error('nothing to choose from');
      return one;
    };
    const world = new Map<string, ConfigObject>();
    const mesh = await createViewMesh([]);
    const lasting = proxies();
    for (let step = 0; step < 60; step++) {
      const changes = Array.from({ length: pick([1, 1, 1, 5]) }, () => make(pick(KINDS), pick(NAMES), Math.floor(random.next() * 4)));
      const upserts: ConfigObject[] = [];
      const deletions: ConfigObject[] = [];
      for (const change of changes) {
        const key = `${change.kind}/${change.metadata.name}`;
        const known = world.get(key);
        if (known !== undefined && random.next() < 0.3) {
          deletions.push(known);
          world.delete(key);
        } else {
          upserts.push(change);
          world.set(key, change);
        }
      }
      const kept = deletions.filter((one) => !world.has(`${one.kind}/${one.metadata.name}`));
      mesh.apply(
        [...upserts].filter((one) => world.get(`${one.kind}/${one.metadata.name}`) === one),
        kept,
      );
      if (random.next() < 0.7) mesh.resources(pick(lasting));
    }
    const scratch = await createViewMesh([...world.values()]);
    expect(lasting.map((proxy) => mesh.resources(proxy))).toEqual(await final(scratch));
    expect(world.size).toBeGreaterThan(10);
  });
});
