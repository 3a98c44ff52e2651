import { fromBinary } from '@bufbuild/protobuf';
import { DeltaDiscoveryResponseSchema, DiscoveryResponseSchema } from '@xebec/protos/envoy/service/discovery/v3/discovery';
import { expect, it } from 'vitest';
import { ResourceCache } from './resource.ts';
import { encodeDeltaResponse, encodeSotwResponse } from './responses.ts';
import { CLUSTER_TYPE } from './type-url.ts';

const cache = new ResourceCache();
const resource = (name: string) => cache.intern(CLUSTER_TYPE, name, new Uint8Array(2_000).fill(name.length));
const shared = ['a', 'bb', 'ccc', 'dddd'].map(resource);

it('shares the resources with which responses begin alike, whatever their nonce, version and end', () => {
  const first = encodeSotwResponse(CLUSTER_TYPE, '1', 'v1', [...shared, resource('own 1')]);
  const second = encodeSotwResponse(CLUSTER_TYPE, '2', 'v2', [...shared, resource('another 2')]);
  expect(second.parts[0]?.buffer).toBe(first.parts[0]?.buffer);
  const decoded = fromBinary(DiscoveryResponseSchema, second.bytes);
  expect(decoded).toMatchObject({ versionInfo: 'v2', typeUrl: CLUSTER_TYPE, nonce: '2' });
  expect(decoded.resources.map(({ value }) => value[0])).toEqual([1, 2, 3, 4, 9]);
  expect(second.byteLength).toBe(second.bytes.length);
});

it('gives a response that shares nothing bytes of its own', () => {
  const all = encodeDeltaResponse(CLUSTER_TYPE, '1', 'v1', shared, []);
  const one = encodeDeltaResponse(CLUSTER_TYPE, '2', 'v1', shared.slice(2), ['gone']);
  expect(one.parts[0]?.buffer).not.toBe(all.parts[0]?.buffer);
  expect(fromBinary(DeltaDiscoveryResponseSchema, one.bytes)).toMatchObject({ removedResources: ['gone'], nonce: '2' });
  expect(fromBinary(DeltaDiscoveryResponseSchema, one.bytes).resources.map(({ name }) => name)).toEqual(['ccc', 'dddd']);
  expect(encodeDeltaResponse(CLUSTER_TYPE, '3', 'v1', [], []).resourceCount).toBe(0);
});
