import { expect, it } from 'vitest';
import type { KubeObject } from '../apiserver/object.ts';
import { endpointsMirror, type MirrorClient } from './endpoints-mirror.ts';

const SLICES = 'endpointslices.discovery.k8s.io';
const metadata = (name: string, labels = {}) => ({ name, namespace: 'n', uid: name, labels });

/** A store of objects by resource, with the writes of a controller. */
class Objects implements MirrorClient {
  readonly #all = new Map<string, KubeObject>();
  put(id: string, object: KubeObject): void {
    this.#all.set(`${id} ${object.metadata.namespace ?? ''}/${object.metadata.name}`, object);
  }
  get(id: string, namespace: string, name: string): KubeObject | undefined {
    return this.#all.get(`${id} ${namespace}/${name}`);
  }
  list(id: string): KubeObject[] {
    return [...this.#all].flatMap(([key, object]) => (key.startsWith(`${id} `) ? [object] : []));
  }
  async ensure(id: string, object: KubeObject): Promise<void> {
    this.put(id, object);
  }
  async update(id: string, object: KubeObject): Promise<KubeObject> {
    this.put(id, object);
    return object;
  }
  async delete(id: string, object: KubeObject): Promise<void> {
    this.#all.delete(`${id} ${object.metadata.namespace ?? ''}/${object.metadata.name}`);
  }
}
const service = (selector = {}): KubeObject => ({ apiVersion: 'v1', kind: 'Service', metadata: metadata('db'), spec: { selector } });
const endpoints = (addresses: string[], labels = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Endpoints',
  metadata: metadata('db', labels),
  subsets: [{ addresses: addresses.map((ip) => ({ ip })), notReadyAddresses: [{ ip: '192.0.2.9' }], ports: [{ port: 5432 }] }],
});
const addressesOf = (objects: Objects) =>
  objects.list(SLICES).map(({ addressType, endpoints: list }) => [addressType, JSON.stringify(list).match(/(?<=\[")[^"]+/g)]);

it('mirrors Endpoints written by hand, by family, and follows them', async () => {
  const objects = new Objects();
  const { reconcile } = endpointsMirror(objects);
  objects.put('services', service());
  objects.put('endpoints', endpoints(['192.0.2.1', '2001:db8::1']));
  await reconcile('n/db');
  expect(addressesOf(objects)).toEqual([
    ['IPv4', ['192.0.2.1', '192.0.2.9']],
    ['IPv6', ['2001:db8::1']],
  ]);
  expect(objects.list(SLICES)[0]).toMatchObject({
    metadata: {
      labels: { 'kubernetes.io/service-name': 'db', 'endpointslice.kubernetes.io/managed-by': 'endpointslicemirroring-controller.k8s.io' },
    },
    ports: [{ name: '', port: 5432, protocol: 'TCP' }],
    endpoints: [{ conditions: { ready: true } }, { conditions: { ready: false } }],
  });
  objects.put('endpoints', endpoints(['192.0.2.2']));
  await reconcile('n/db');
  expect(addressesOf(objects)).toEqual([['IPv4', ['192.0.2.2', '192.0.2.9']]]);
  await objects.delete('endpoints', endpoints([]));
  await reconcile('n/db');
  expect(objects.list(SLICES)).toEqual([]);
});

it.each([
  ['the service has a selector', (objects: Objects) => objects.put('services', service({ app: 'db' }))],
  [
    'the object says so',
    (objects: Objects) => objects.put('endpoints', endpoints([], { 'endpointslice.kubernetes.io/skip-mirror': 'true' })),
  ],
])('mirrors nothing where %s', async (_, change) => {
  const objects = new Objects();
  objects.put('services', service());
  objects.put('endpoints', endpoints(['192.0.2.1']));
  change(objects);
  await endpointsMirror(objects).reconcile('n/db');
  expect(objects.list(SLICES)).toEqual([]);
});

it('mirrors nothing where somebody else keeps slices', async () => {
  const objects = new Objects();
  objects.put('services', service());
  objects.put('endpoints', endpoints(['192.0.2.1']));
  objects.put(SLICES, {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: metadata('own', { 'kubernetes.io/service-name': 'db' }),
  });
  await endpointsMirror(objects).reconcile('n/db');
  expect(objects.list(SLICES).map(({ metadata: { name } }) => name)).toEqual(['own']);
});
