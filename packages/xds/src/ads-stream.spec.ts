import { create, fromBinary } from '@bufbuild/protobuf';
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from '@xebec/protos/envoy/service/discovery/v3/discovery';
import { describe, expect, it } from 'vitest';
import { AdsStream, type ProxyView } from './ads-stream.ts';
import { type EncodedResource, ResourceCache } from './resource.ts';
import type { EncodedResponse } from './responses.ts';
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from './type-url.ts';

const cache = new ResourceCache();
const TYPES = { C: CLUSTER_TYPE, E: ENDPOINT_TYPE, L: LISTENER_TYPE, R: ROUTE_TYPE };

/** `{ C: { a: '1' } }`: resource names and contents by the first letter of the type. */
function viewOf(version: string, content: Partial<Record<keyof typeof TYPES, Record<string, string>>>): ProxyView {
  const maps = new Map<string, Map<string, EncodedResource>>();
  for (const [letter, typeUrl] of Object.entries(TYPES)) {
    const entries = Object.entries(content[letter as keyof typeof TYPES] ?? {});
    maps.set(typeUrl, new Map(entries.map(([name, text]) => [name, cache.intern(typeUrl, name, new TextEncoder().encode(text))])));
  }
  const empty = new Map<string, EncodedResource>();
  return { version, resources: (typeUrl) => maps.get(typeUrl) ?? empty };
}

function sotw(typeUrl: string, fields: { names?: string[]; nonce?: string; version?: string; error?: string } = {}) {
  return create(DiscoveryRequestSchema, {
    typeUrl,
    resourceNames: fields.names ?? [],
    responseNonce: fields.nonce ?? '',
    versionInfo: fields.version ?? '',
    ...(fields.error === undefined ? {} : { errorDetail: { code: 3, message: fields.error } }),
  });
}

function delta(
  typeUrl: string,
  fields: { subscribe?: string[]; unsubscribe?: string[]; nonce?: string; error?: string; initial?: Record<string, string> } = {},
) {
  return create(DeltaDiscoveryRequestSchema, {
    typeUrl,
    resourceNamesSubscribe: fields.subscribe ?? [],
    resourceNamesUnsubscribe: fields.unsubscribe ?? [],
    responseNonce: fields.nonce ?? '',
    initialResourceVersions: fields.initial ?? {},
    ...(fields.error === undefined ? {} : { errorDetail: { code: 3, message: fields.error } }),
  });
}

/** `CDS+a=1+b=2` for SotW; delta shows removals as `-a`. */
function show(variant: 'sotw' | 'delta', response: EncodedResponse): string {
  const letter = Object.entries(TYPES).find(([, typeUrl]) => typeUrl === response.typeUrl)?.[0];
  if (variant === 'sotw') {
    const message = fromBinary(DiscoveryResponseSchema, response.bytes);
    expect(message).toMatchObject({ nonce: response.nonce, typeUrl: response.typeUrl });
    return `${letter}[${message.resources.map((any) => new TextDecoder().decode(any.value)).join(' ')}]`;
  }
  const message = fromBinary(DeltaDiscoveryResponseSchema, response.bytes);
  expect(message).toMatchObject({ nonce: response.nonce, typeUrl: response.typeUrl });
  const added = message.resources.map(({ name, resource }) => `${name}=${new TextDecoder().decode(resource?.value)}`);
  return `${letter}[${[...added, ...message.removedResources.map((name) => `-${name}`)].join(' ')}]`;
}

/** A stream with its client's last nonces at hand. */
function scripted(
  variant: 'sotw' | 'delta',
  view: ProxyView,
  placeholder?: (typeUrl: string, name: string) => EncodedResource | undefined,
) {
  const stream = new AdsStream({ variant, noncePrefix: 'n', ...(placeholder === undefined ? {} : { placeholder }) }, view);
  const nonces = new Map<string, string>();
  const note = (responses: readonly EncodedResponse[]) => {
    for (const response of responses) nonces.set(response.typeUrl, response.nonce);
    return responses.map((response) => show(variant, response));
  };
  const nonceOf = (typeUrl: string) => nonces.get(typeUrl) ?? '';
  return {
    stream,
    nonceOf,
    sotw: (request: ReturnType<typeof sotw>) => note(stream.onSotwRequest(request).responses),
    delta: (request: ReturnType<typeof delta>) => note(stream.onDeltaRequest(request).responses),
    update: (next: ProxyView) => note(stream.update(next)),
    proceed: () => note(stream.proceed()),
    ack: (typeUrl: string, names: string[] = []) =>
      variant === 'sotw'
        ? note(stream.onSotwRequest(sotw(typeUrl, { names, nonce: nonceOf(typeUrl), version: 'x' })).responses)
        : note(stream.onDeltaRequest(delta(typeUrl, { nonce: nonceOf(typeUrl) })).responses),
  };
}

describe('state of the world', () => {
  it('answers a wildcard with everything, an empty set too, and an ACK with nothing', () => {
    const s = scripted('sotw', viewOf('1', { C: { a: 'a1', b: 'b1' } }));
    expect(s.sotw(sotw(CLUSTER_TYPE))).toEqual(['C[a1 b1]']);
    expect(s.ack(CLUSTER_TYPE)).toEqual([]);
    expect(s.sotw(sotw(LISTENER_TYPE))).toEqual(['L[]']);
    expect(s.stream.status()).toMatchObject([{ state: 'synced', resourceCount: 2 }, { state: 'pending' }]);
  });

  it('takes a first request with nonce and version as a new subscription', () => {
    const s = scripted('sotw', viewOf('7', { C: { a: 'a1' } }));
    expect(s.sotw(sotw(CLUSTER_TYPE, { nonce: 'of-another-stream', version: '6' }))).toEqual(['C[a1]']);
  });

  it('ignores stale nonces', () => {
    const s = scripted('sotw', viewOf('1', { C: { a: 'a1' } }));
    s.sotw(sotw(CLUSTER_TYPE));
    const old = s.nonceOf(CLUSTER_TYPE);
    s.ack(CLUSTER_TYPE);
    expect(s.update(viewOf('2', { C: { a: 'a2' } }))).toEqual(['C[a2]']);
    expect(s.stream.onSotwRequest(sotw(CLUSTER_TYPE, { nonce: old }))).toMatchObject({ meaning: 'stale', responses: [] });
  });

  it('sends only the changed ones of types that go by name, and names that were added', () => {
    const s = scripted('sotw', viewOf('1', { E: { a: 'a1', b: 'b1', c: 'c1' } }));
    expect(s.sotw(sotw(ENDPOINT_TYPE, { names: ['a', 'b'] }))).toEqual(['E[a1 b1]']);
    expect(s.ack(ENDPOINT_TYPE, ['a', 'b'])).toEqual([]);
    expect(s.update(viewOf('2', { E: { a: 'a1', b: 'b2', c: 'c2' } }))).toEqual(['E[b2]']);
    expect(s.ack(ENDPOINT_TYPE, ['a', 'b', 'c'])).toEqual(['E[c2]']);
  });

  it('does not resend what was refused until it changes, then whole', () => {
    const s = scripted('sotw', viewOf('1', { L: { a: 'bad' } }));
    s.sotw(sotw(LISTENER_TYPE));
    const refused = s.stream.onSotwRequest(sotw(LISTENER_TYPE, { nonce: s.nonceOf(LISTENER_TYPE), error: 'no such filter' }));
    expect(refused).toMatchObject({ meaning: 'nack', error: 'no such filter', responses: [] });
    expect(s.stream.status()).toMatchObject([{ state: 'rejected', lastError: 'no such filter' }]);
    expect(s.update(viewOf('2', { L: { a: 'bad' } }))).toEqual([]);
    expect(s.update(viewOf('3', { L: { a: 'good' } }))).toEqual(['L[good]']);
    expect(s.ack(LISTENER_TYPE)).toEqual([]);
    expect(s.stream.status()).toMatchObject([{ state: 'synced', lastError: undefined }]);
  });

  it('answers an unknown name with its placeholder', () => {
    const empty = cache.intern(ROUTE_TYPE, 'none', new TextEncoder().encode('empty'));
    const s = scripted('sotw', viewOf('1', {}), () => empty);
    expect(s.sotw(sotw(ROUTE_TYPE, { names: ['none'] }))).toEqual(['R[empty]']);
    s.ack(ROUTE_TYPE, ['none']);
    expect(s.update(viewOf('2', { R: { none: 'real' } }))).toEqual(['R[real]']);
  });

  it('gathers what changes while an answer is awaited', () => {
    const s = scripted('sotw', viewOf('1', { C: { a: 'a1' } }));
    s.sotw(sotw(CLUSTER_TYPE));
    expect(s.update(viewOf('2', { C: { a: 'a2' } }))).toEqual([]);
    expect(s.update(viewOf('3', { C: { a: 'a3' } }))).toEqual([]);
    expect(s.ack(CLUSTER_TYPE)).toEqual(['C[a3]']);
  });
});

describe('delta', () => {
  it('sends changes and removals only', () => {
    const s = scripted('delta', viewOf('1', { C: { a: 'a1', b: 'b1' } }));
    expect(s.delta(delta(CLUSTER_TYPE))).toEqual(['C[a=a1 b=b1]']);
    s.ack(CLUSTER_TYPE);
    expect(s.update(viewOf('2', { C: { b: 'b2', c: 'c2' } }))).toEqual(['C[b=b2 c=c2 -a]']);
    s.ack(CLUSTER_TYPE);
    expect(s.update(viewOf('3', { C: { b: 'b2', c: 'c2' } }))).toEqual([]);
  });

  it('resumes with initial_resource_versions: what is equal is not sent again', () => {
    const view = viewOf('1', { C: { a: 'a1', b: 'b1' } });
    const version = view.resources(CLUSTER_TYPE).get('a')?.version ?? '';
    const s = scripted('delta', view);
    expect(s.delta(delta(CLUSTER_TYPE, { initial: { a: version, gone: 'v' } }))).toEqual(['C[b=b1]']);
    s.ack(CLUSTER_TYPE);
    expect(s.delta(delta(LISTENER_TYPE, { initial: { l: 'v' } }))).toEqual(['L[-l]']);
    expect(s.ack(LISTENER_TYPE)).toEqual(['C[-gone]']);
  });

  it('tells that an unknown name does not exist, once, and when it comes to be', () => {
    const s = scripted('delta', viewOf('1', {}));
    expect(s.delta(delta(ROUTE_TYPE, { subscribe: ['r'] }))).toEqual(['R[-r]']);
    s.ack(ROUTE_TYPE);
    expect(s.update(viewOf('2', {}))).toEqual([]);
    expect(s.update(viewOf('3', { R: { r: 'r1' } }))).toEqual(['R[r=r1]']);
  });

  it('resends on a repeated subscription and forgets on unsubscription', () => {
    const s = scripted('delta', viewOf('1', { E: { a: 'a1' } }));
    expect(s.delta(delta(ENDPOINT_TYPE, { subscribe: ['a'] }))).toEqual(['E[a=a1]']);
    s.ack(ENDPOINT_TYPE);
    expect(s.delta(delta(ENDPOINT_TYPE, { subscribe: ['a'] }))).toEqual(['E[a=a1]']);
    s.ack(ENDPOINT_TYPE);
    expect(s.delta(delta(ENDPOINT_TYPE, { unsubscribe: ['a'] }))).toEqual([]);
    expect(s.update(viewOf('2', { E: { a: 'a2' } }))).toEqual([]);
  });

  it('resends all of a refused response when a part of it changes', () => {
    const s = scripted('delta', viewOf('1', { C: { a: 'bad', b: 'b1' } }));
    s.delta(delta(CLUSTER_TYPE));
    expect(s.delta(delta(CLUSTER_TYPE, { nonce: s.nonceOf(CLUSTER_TYPE), error: 'bad' }))).toEqual([]);
    expect(s.update(viewOf('2', { C: { a: 'bad', b: 'b1' } }))).toEqual([]);
    expect(s.update(viewOf('3', { C: { a: 'good', b: 'b1' } }))).toEqual(['C[a=good b=b1]']);
  });
});

describe('make before break', () => {
  const before = { C: { a: 'a1' }, E: { a: 'ea' }, L: { l: 'l1' }, R: { r: 'to a' } };
  const after = { C: { b: 'b1' }, E: { b: 'eb' }, L: { l: 'l1' }, R: { r: 'to b' } };

  it('in SotW: new cluster, its endpoints, then the route, then the old cluster leaves', () => {
    const s = scripted('sotw', viewOf('1', before));
    s.sotw(sotw(CLUSTER_TYPE));
    s.ack(CLUSTER_TYPE);
    s.sotw(sotw(ENDPOINT_TYPE, { names: ['a'] }));
    s.ack(ENDPOINT_TYPE, ['a']);
    s.sotw(sotw(LISTENER_TYPE));
    s.ack(LISTENER_TYPE);
    s.sotw(sotw(ROUTE_TYPE, { names: ['r'] }));
    s.ack(ROUTE_TYPE, ['r']);
    expect(s.update(viewOf('2', after))).toEqual(['C[b1 a1]']);
    expect(s.ack(CLUSTER_TYPE)).toEqual([]);
    expect(s.stream.waiting).toBe(true);
    expect(s.ack(ENDPOINT_TYPE, ['a', 'b'])).toEqual(['E[eb]']);
    expect(s.ack(ENDPOINT_TYPE, ['a', 'b'])).toEqual(['R[to b]']);
    expect(s.ack(ROUTE_TYPE, ['r'])).toEqual(['C[b1]']);
    expect(s.ack(CLUSTER_TYPE)).toEqual([]);
    s.ack(ENDPOINT_TYPE, ['b']);
    expect(s.stream.waiting).toBe(false);
  });

  it('resends the endpoints of a cluster that changed, for it warms again', () => {
    const s = scripted('delta', viewOf('1', before));
    s.delta(delta(CLUSTER_TYPE));
    s.ack(CLUSTER_TYPE);
    s.delta(delta(ENDPOINT_TYPE, { subscribe: ['a'] }));
    s.ack(ENDPOINT_TYPE);
    expect(s.update(viewOf('2', { ...before, C: { a: 'a2' } }))).toEqual(['C[a=a2]', 'E[a=ea]']);
  });

  it('keeps the old cluster while the proxy refuses the new route', () => {
    const s = scripted('delta', viewOf('1', before));
    s.delta(delta(CLUSTER_TYPE));
    s.ack(CLUSTER_TYPE);
    s.delta(delta(ROUTE_TYPE, { subscribe: ['r'] }));
    s.ack(ROUTE_TYPE);
    expect(s.update(viewOf('2', after))).toEqual(['C[b=b1]']);
    expect(s.ack(CLUSTER_TYPE)).toEqual(['R[r=to b]']);
    expect(s.delta(delta(ROUTE_TYPE, { nonce: s.nonceOf(ROUTE_TYPE), error: 'no' }))).toEqual([]);
    expect(s.proceed()).toEqual([]);
    expect(s.update(viewOf('3', { ...after, R: { r: 'to b, well' } }))).toEqual(['R[r=to b, well]']);
    expect(s.ack(ROUTE_TYPE)).toEqual(['C[-a]']);
  });

  it('goes on without answers when told to', () => {
    const s = scripted('delta', viewOf('1', before));
    s.delta(delta(CLUSTER_TYPE));
    s.delta(delta(ENDPOINT_TYPE, { subscribe: ['a'] }));
    expect(s.delta(delta(LISTENER_TYPE))).toEqual([]);
    expect(s.stream.waiting).toBe(true);
    expect(s.proceed()).toEqual(['L[l=l1]']);
  });
});

describe('the resource cache', () => {
  it('gives the same object for the same content and another version for another', () => {
    const bytes = new Uint8Array([1, 2, 3]);
    const one = cache.intern(CLUSTER_TYPE, 'one', bytes);
    expect(cache.intern(CLUSTER_TYPE, 'one', new Uint8Array([1, 2, 3]))).toBe(one);
    expect(cache.intern(CLUSTER_TYPE, 'one', new Uint8Array([1, 2])).version).not.toBe(one.version);
    expect(cache.intern(LISTENER_TYPE, 'one', bytes).version).not.toBe(one.version);
  });
});
