import { create } from '@bufbuild/protobuf';
import { DeltaDiscoveryRequestSchema, DiscoveryRequestSchema } from '@xebec/protos/envoy/service/discovery/v3/discovery';
import { describe, expect, it } from 'vitest';
import { AdsStream, type ProxyView } from './ads-stream.ts';
import { ResourceCache } from './resource.ts';
import { CLUSTER_TYPE, ENDPOINT_TYPE, NAME_TABLE_TYPE } from './type-url.ts';

const cache = new ResourceCache();

function viewOf(typeUrl: string, content: Record<string, string>): ProxyView {
  const map = new Map(Object.entries(content).map(([name, text]) => [name, cache.intern(typeUrl, name, new TextEncoder().encode(text))]));
  return { version: JSON.stringify(content), resources: (asked) => (asked === typeUrl ? map : new Map()) };
}

const versionIn = (view: ProxyView, typeUrl: string, name: string) => view.resources(typeUrl).get(name)?.version;

function sotw(typeUrl: string, fields: { names?: string[]; nonce?: string; error?: string } = {}) {
  const { names = [], nonce = '', error } = fields;
  const request = { typeUrl, resourceNames: names, responseNonce: nonce };
  return create(DiscoveryRequestSchema, error === undefined ? request : { ...request, errorDetail: { code: 3, message: error } });
}

describe('what a proxy has accepted, resource by resource', () => {
  it('keeps the version that runs while a newer one is on the way and after it was refused', () => {
    const first = viewOf(CLUSTER_TYPE, { a: '1', b: '1' });
    const stream = new AdsStream({ variant: 'sotw', noncePrefix: 'n' }, first);
    stream.onSotwRequest(sotw(CLUSTER_TYPE));
    expect(stream.resources(CLUSTER_TYPE).map(({ name, state, acked }) => [name, state, acked])).toEqual([
      ['a', 'pending', ''],
      ['b', 'pending', ''],
    ]);
    expect(stream.answered).toBe(false);
    stream.onSotwRequest(sotw(CLUSTER_TYPE, { nonce: 'n1' }));
    expect(stream.answered).toBe(true);
    const second = viewOf(CLUSTER_TYPE, { a: '2', b: '1' });
    stream.update(second);
    const old = versionIn(first, CLUSTER_TYPE, 'a');
    expect(stream.resources(CLUSTER_TYPE)).toEqual([
      { name: 'a', state: 'pending', sent: versionIn(second, CLUSTER_TYPE, 'a'), acked: old },
      { name: 'b', state: 'synced', sent: versionIn(first, CLUSTER_TYPE, 'b'), acked: versionIn(first, CLUSTER_TYPE, 'b') },
    ]);
    stream.onSotwRequest(sotw(CLUSTER_TYPE, { nonce: 'n2', error: 'a is wrong' }));
    expect(stream.resources(CLUSTER_TYPE)[0]).toMatchObject({ name: 'a', state: 'rejected', acked: old, error: 'a is wrong' });
    expect(stream.answered).toBe(true);
  });

  it('hears a refusal of a response that a later one overtook, as far as it is still in force', () => {
    const stream = new AdsStream({ variant: 'sotw', noncePrefix: 'n' }, viewOf(ENDPOINT_TYPE, { a: '1', b: '1' }));
    stream.onSotwRequest(sotw(ENDPOINT_TYPE, { names: ['a', 'b'] }));
    stream.proceed();
    stream.update(viewOf(ENDPOINT_TYPE, { a: '2', b: '1' }));
    const late = stream.onSotwRequest(sotw(ENDPOINT_TYPE, { names: ['a', 'b'], nonce: 'n1', error: 'b is wrong' }));
    expect(late).toMatchObject({ meaning: 'nack', error: 'b is wrong' });
    stream.onSotwRequest(sotw(ENDPOINT_TYPE, { names: ['a', 'b'], nonce: 'n2' }));
    expect(stream.resources(ENDPOINT_TYPE).map(({ name, state }) => [name, state])).toEqual([
      ['a', 'synced'],
      ['b', 'rejected'],
    ]);
  });

  it('takes what a delta proxy brings from an earlier stream as accepted', () => {
    const view = viewOf(CLUSTER_TYPE, { a: '1' });
    const stream = new AdsStream({ variant: 'delta', noncePrefix: 'n' }, view);
    const initialResourceVersions = { a: versionIn(view, CLUSTER_TYPE, 'a') ?? '' };
    stream.onDeltaRequest(create(DeltaDiscoveryRequestSchema, { typeUrl: CLUSTER_TYPE, initialResourceVersions }));
    expect(stream.resources(CLUSTER_TYPE)).toMatchObject([{ name: 'a', state: 'synced' }]);
  });

  it('sends types without names whole, at once and again when they change', () => {
    const stream = new AdsStream({ variant: 'sotw', noncePrefix: 'n' }, viewOf(NAME_TABLE_TYPE, { '': 'one' }));
    expect(stream.onSotwRequest(sotw(NAME_TABLE_TYPE)).responses).toHaveLength(1);
    expect(stream.onSotwRequest(sotw(NAME_TABLE_TYPE, { nonce: 'n1' })).responses).toEqual([]);
    expect(stream.update(viewOf(NAME_TABLE_TYPE, { '': 'two' }))).toMatchObject([{ typeUrl: NAME_TABLE_TYPE, resourceCount: 1 }]);
  });
});
