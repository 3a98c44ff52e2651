import { create, fromBinary } from '@bufbuild/protobuf';
import { seededRandom } from '@xebec/core';
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from '@xebec/protos/envoy/service/discovery/v3/discovery';
import { describe, expect, it } from 'vitest';
import { AdsStream, type ProxyView } from './ads-stream.ts';
import { NameSet } from './name-set.ts';
import { type EncodedResource, ResourceCache, type ResourceMap } from './resource.ts';
import { layered, NO_RESOURCES, ResourceLayer } from './resource-layer.ts';
import { ResourceVersions } from './resource-versions.ts';
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from './type-url.ts';

const cache = new ResourceCache();
const TYPES = [CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE];
const NAMES = ['a', 'b', 'c', 'd', 'e'];
const resource = (typeUrl: string, name: string, text: string) => cache.intern(typeUrl, name, new TextEncoder().encode(`${name}${text}`));

/** The same view twice: as layers, which streams share, and as plain maps. */
function randomViews(pick: (limit: number) => number, version: string): { layers: ProxyView; maps: ProxyView } {
  const layers = new Map<string, ResourceMap>();
  const maps = new Map<string, ResourceMap>();
  for (const typeUrl of TYPES) {
    const shared: EncodedResource[] = [];
    const own: EncodedResource[] = [];
    for (const name of NAMES) {
      const place = pick(10);
      if (place < 6 || place === 9) shared.push(resource(typeUrl, name, String(pick(2))));
      if (place === 7 || place === 9) own.push(resource(typeUrl, name, String(pick(2))));
    }
    const both = layered(new ResourceLayer(shared), own.length === 0 ? NO_RESOURCES : new ResourceLayer(own));
    layers.set(typeUrl, both);
    maps.set(typeUrl, new Map(both));
  }
  const view = (of: ReadonlyMap<string, ResourceMap>) => ({ version, resources: (typeUrl: string) => of.get(typeUrl) ?? new Map() });
  return { layers: view(layers), maps: view(maps) };
}

describe.each(['sotw', 'delta'] as const)('%s', (variant) => {
  /** What responses say, whatever the order of their resources. */
  const told = (responses: readonly { readonly bytes: Uint8Array }[]) =>
    responses.map(({ bytes }) => {
      if (variant === 'sotw') {
        const { typeUrl, nonce, resources } = fromBinary(DiscoveryResponseSchema, bytes);
        return { typeUrl, nonce, resources: resources.map(({ value }) => new TextDecoder().decode(value)).sort() };
      }
      const { typeUrl, nonce, resources, removedResources } = fromBinary(DeltaDiscoveryResponseSchema, bytes);
      const texts = resources.map(({ resource: any }) => new TextDecoder().decode(any?.value)).sort();
      return { typeUrl, nonce, resources: texts, removed: removedResources.sort() };
    });

  it('what streams share of views changes nothing of what they are sent', () => {
    for (let seed = 1; seed <= 150; seed++) {
      const random = seededRandom(seed);
      const pick = (limit: number) => Math.floor(random.next() * limit);
      const first = randomViews(pick, '0');
      const streams = [first.layers, first.maps].map((view) => new AdsStream({ variant, noncePrefix: '' }, view));
      const names = new Map<string, string[]>();
      const nonces = new Map<string, string[]>();
      const all = (step: (stream: AdsStream, index: number) => readonly { readonly bytes: Uint8Array }[]) => {
        const [layers, maps] = streams.map((stream, index) => told(step(stream, index)));
        expect(layers).toEqual(maps);
        for (const { typeUrl, nonce } of layers ?? []) nonces.set(typeUrl, [...(nonces.get(typeUrl) ?? []), nonce]);
      };
      const ask = (typeUrl: string, nonce: string, more: { subscribe?: string[]; unsubscribe?: string[]; refused?: boolean }) => {
        const { subscribe = [], unsubscribe = [], refused = false } = more;
        const error = refused ? { errorDetail: { code: 3, message: 'no' } } : {};
        const common = { typeUrl, responseNonce: nonce, ...error };
        all((stream) =>
          variant === 'sotw'
            ? stream.onSotwRequest(create(DiscoveryRequestSchema, { ...common, resourceNames: names.get(typeUrl) ?? [] })).responses
            : stream.onDeltaRequest(
                create(DeltaDiscoveryRequestSchema, {
                  ...common,
                  resourceNamesSubscribe: subscribe,
                  resourceNamesUnsubscribe: unsubscribe,
                }),
              ).responses,
        );
      };
      for (let step = 0; step < 40; step++) {
        const typeUrl = TYPES[pick(TYPES.length)] ?? CLUSTER_TYPE;
        const waiting = nonces.get(typeUrl) ?? [];
        const action = pick(10);
        if (action < 3) {
          const next = randomViews(pick, String(step));
          all((stream, index) => stream.update(index === 0 ? next.layers : next.maps));
        } else if (action === 3) all((stream) => stream.proceed());
        else if (action < 8 && waiting.length > 0) {
          nonces.set(typeUrl, waiting.slice(1));
          ask(typeUrl, waiting[0] ?? '', { refused: pick(5) === 0 });
        } else {
          const wild = !names.has(typeUrl) && (typeUrl === CLUSTER_TYPE || typeUrl === LISTENER_TYPE);
          const wanted = wild ? [] : NAMES.filter(() => pick(3) > 0);
          const left = variant === 'delta' && !wild && names.has(typeUrl) ? NAMES.filter(() => pick(4) === 0) : [];
          names.set(typeUrl, wanted);
          ask(typeUrl, '', { subscribe: wanted, unsubscribe: left });
        }
        const [layers, maps] = streams;
        expect([layers?.waiting, layers?.answered]).toEqual([maps?.waiting, maps?.answered]);
      }
    }
  });
});

describe('names of requests', () => {
  it('are one set for the same list and for the same change to a set', () => {
    const list = ['a', 'b'];
    expect(NameSet.of(list)).toBe(NameSet.of(list));
    const set = NameSet.of(list);
    expect(set.with(['c'])).toBe(set.with(['c']));
    expect([...set.with(['c', 'a']).without(['b'])]).toEqual(['a', 'c']);
    expect(set.with(['a'])).toBe(set);
    expect(set.with(['c']).since(set)).toMatchObject({ added: ['c'], removed: [] });
    expect(NameSet.of(['*', 'a'])).toMatchObject({ wildcard: true, size: 1 });
  });
});

describe('versions by name', () => {
  const layers = (...names: string[]) => layered(new ResourceLayer(names.map((name) => resource(CLUSTER_TYPE, name, ''))), NO_RESOURCES);
  it('rest on a view, with exceptions, and count only what is wanted', () => {
    const wanted = new Set(['a', 'b', 'gone']);
    const versions = new ResourceVersions((name) => wanted.has(name));
    versions.setAll(layers('a', 'b', 'c'));
    expect([...versions].map(([name]) => name)).toEqual(['a', 'b']);
    versions.set('gone', '');
    versions.delete('a');
    versions.unveil('c');
    wanted.add('c');
    expect([...versions].map(([name]) => name)).toEqual(['b', 'gone']);
    // What leaves the view stays noted until it is deleted.
    versions.setAll(layers('a', 'c'));
    expect([...versions].map(([name]) => name)).toEqual(['a', 'c', 'gone', 'b']);
    expect(Array.from(versions.outside(layers('a')), ([name]) => name)).toEqual(['c', 'gone', 'b']);
  });
});
