import { type ConfigSource, ObjectStore, objectKey } from '@xebec/config';
import { silentLogger } from '@xebec/core';
import type { ConfigObject } from '@xebec/schemas';
import { expect, it } from 'vitest';
import { createSmiSource } from './smi-source.ts';

function object(apiVersion: string, kind: string, name: string, spec: object): ConfigObject {
  const metadata = {
    name,
    namespace: 'shop',
    labels: {},
    annotations: {},
    creationTimestamp: '',
    resourceVersion: '1',
    uid: name,
    generation: 1,
  };
  return { apiVersion, kind, metadata, spec: { apiVersion, kind, metadata: { name, namespace: 'shop' }, spec } };
}
const account = (name: string) => ({ kind: 'ServiceAccount', name, namespace: 'shop' });
const target = object('access.smi-spec.io/v1alpha3', 'TrafficTarget', 'open', {
  destination: account('api'),
  sources: [account('web')],
  rules: [{ kind: 'HTTPRouteGroup', name: 'routes' }],
});
const group = object('specs.smi-spec.io/v1alpha4', 'HTTPRouteGroup', 'routes', { matches: [{ name: 'all', pathRegex: '.*' }] });

it('warns of what is missing once everything has been read, not while it is being read', () => {
  const warnings: string[] = [];
  const store = new ObjectStore();
  const source: ConfigSource = {
    name: 'test',
    get synced() {
      return store.synced;
    },
    list: () => store.list(),
    subscribe: (listener) => store.subscribe(listener),
    onSynced: (listener) => store.onSynced(listener),
    problems: () => [],
    start: async () => undefined,
    close: async () => undefined,
  };
  const made = createSmiSource(source, { ...silentLogger, warn: (_fields, message = '') => void warnings.push(message) });
  store.apply([target], []);
  expect(made.list()).toHaveLength(1);
  store.apply([group], []);
  store.markSynced();
  expect(warnings).toEqual([]);
  store.apply([], [objectKey(group)]);
  expect(warnings).toEqual(['TrafficTarget shop/open: spec.rules[0].name: HTTPRouteGroup "routes" does not exist: it allows nothing']);
  expect(made.problems()).toHaveLength(1);
});
