import { create } from '@bufbuild/protobuf';
import {
  type RequestResources,
  RequestResourcesSchema,
  type Resource,
  ResourceSchema,
  type Resources,
  ResourcesSchema,
} from '@xebec/protos/istio/mcp/v1alpha1/mcp';
import { decodeObject } from '@xebec/schemas';
import { describe, expect, it } from 'vitest';
import { collectionOf, fromResource, toResource } from './resource.ts';
import { McpSink, type SinkChange } from './sink.ts';
import type { CollectionState } from './source-diff.ts';
import { McpSourceStream, type SourceView } from './source-stream.ts';

const VS = 'istio/networking/v1alpha3/virtualservices';

function resource(name: string, version: string): Resource {
  return create(ResourceSchema, { metadata: { name, version } });
}

function state(version: string, content: Record<string, string>): CollectionState {
  return { version, resources: new Map(Object.entries(content).map(([name, v]) => [name, resource(name, v)])) };
}

function request(fields: Partial<Omit<RequestResources, '$typeName'>>): RequestResources {
  return create(RequestResourcesSchema, { collection: VS, ...fields });
}

function show(response: Resources | undefined): string {
  if (response === undefined) return 'nothing';
  const parts = [
    ...response.resources.map(({ metadata }) => `${metadata?.name}@${metadata?.version}`),
    ...response.removedResources.map((name) => `-${name}`),
  ];
  return `${response.incremental ? 'incremental' : 'full'} ${parts.join(' ')}`.trim();
}

function view(get: () => CollectionState | undefined): SourceView {
  return {
    get version() {
      return get()?.version ?? '';
    },
    state: get,
  };
}

function source(initial: CollectionState | undefined) {
  let current = initial;
  const stream = new McpSourceStream(
    new Set([VS]),
    view(() => current),
  );
  let nonce = '';
  const note = (responses: readonly Resources[]) => {
    nonce = responses[0]?.nonce ?? nonce;
    return show(responses[0]);
  };
  return {
    send: (fields: Partial<Omit<RequestResources, '$typeName'>>) => note(stream.onRequest(request(fields)).responses),
    ack: () => note(stream.onRequest(request({ responseNonce: nonce })).responses),
    nack: () =>
      note(
        stream.onRequest(
          request({ responseNonce: nonce, errorDetail: { $typeName: 'google.rpc.Status', code: 3, message: 'no', details: [] } }),
        ).responses,
      ),
    set: (next: CollectionState) => {
      current = next;
      return note(stream.update());
    },
    stream,
  };
}

describe('source', () => {
  it('sends everything again for each change, one response at a time', () => {
    const s = source(state('1', { 'd/a': '1' }));
    expect(s.send({})).toBe('full d/a@1');
    expect(s.set(state('2', { 'd/a': '2' }))).toBe('nothing');
    expect(s.set(state('3', { 'd/a': '3', 'd/b': '1' }))).toBe('nothing');
    expect(s.ack()).toBe('full d/a@3 d/b@1');
    expect(s.ack()).toBe('nothing');
  });

  it('sends differences to a sink that asks for them, and resumes from its versions', () => {
    const s = source(state('5', { 'd/a': '1', 'd/b': '2' }));
    expect(s.send({ incremental: true, initialResourceVersions: { 'd/a': '1', 'd/gone': '1' } })).toBe('incremental d/b@2 -d/gone');
    s.ack();
    expect(s.set(state('6', { 'd/b': '3' }))).toBe('incremental d/b@3 -d/a');
  });

  it('does not send again what was refused until it changes, and then all of it', () => {
    const s = source(state('1', { 'd/a': '1', 'd/b': '1' }));
    s.send({ incremental: true });
    expect(s.nack()).toBe('nothing');
    expect(s.set(state('1', { 'd/a': '1', 'd/b': '1' }))).toBe('nothing');
    expect(s.set(state('2', { 'd/a': '2', 'd/b': '1' }))).toBe('full d/a@2 d/b@1');
    expect(s.ack()).toBe('nothing');
    expect(s.stream.status()).toMatchObject([{ acked: true, lastError: undefined }]);
  });

  it('answers nothing while a collection is unknown, an empty one with an empty response, stale nonces never', () => {
    const s = source(undefined);
    expect(s.send({})).toBe('nothing');
    expect(s.set(state('1', {}))).toBe('full');
    expect(s.stream.onRequest(request({ responseNonce: 'other' }))).toEqual({ meaning: 'stale', responses: [] });
  });

  it('refuses collections that do not exist', () => {
    expect(source(undefined).stream.onRequest(request({ collection: 'no/such' }))).toMatchObject({
      meaning: 'invalid',
      error: 'unknown collection "no/such"',
    });
  });
});

describe('sink', () => {
  it('follows full and incremental responses and opens the next stream with what it holds', () => {
    const changes: SinkChange[] = [];
    const take = (all: readonly SinkChange[]) => {
      changes.push(...all);
      return [];
    };
    const sink = new McpSink({ id: 'pilot', collections: [VS], apply: take });
    const upstream = new McpSourceStream(
      new Set([VS]),
      view(() => state('1', { 'd/a': '1' })),
    );
    expect(sink.synced).toBe(false);
    const [first] = sink.open().flatMap((opening) => upstream.onRequest(opening).responses);
    if (first === undefined) throw new Error('no response');
    expect(sink.onResources(first)).toMatchObject([{ responseNonce: first.nonce }]);
    expect(sink.synced).toBe(true);
    expect(sink.open()[0]).toMatchObject({ incremental: true, responseNonce: '', initialResourceVersions: { 'd/a': '1' } });
    sink.onResources({ ...first, resources: [resource('d/b', '7')], removedResources: ['d/a', 'never-known'], incremental: true });
    expect(sink.open()[0]?.initialResourceVersions).toEqual({ 'd/b': '7' });
    expect(changes).toHaveLength(2);
  });

  it('takes an increment that repeats what it has for all there is: the source has not looked at its versions', () => {
    const changes: SinkChange[] = [];
    const take = (all: readonly SinkChange[]) => {
      changes.push(...all);
      return [];
    };
    const sink = new McpSink({ id: 'pilot', collections: [VS], apply: take });
    const response = (names: readonly string[]) =>
      create(ResourcesSchema, { collection: VS, incremental: true, resources: names.map((name) => resource(name, '1')) });
    sink.open();
    sink.onResources(response(['d/a', 'd/gone']));
    sink.open();
    sink.onResources(response(['d/a', 'd/new']));
    expect(changes.map(({ incremental }) => incremental)).toEqual([true, false]);
    expect(sink.open()[0]?.initialResourceVersions).toEqual({ 'd/a': '1', 'd/new': '1' });
    sink.onResources(response(['d/other']));
    expect(Object.keys(sink.open()[0]?.initialResourceVersions ?? {})).toEqual(['d/a', 'd/new', 'd/other']);
    expect(sink.open(new Set(), false)[0]?.initialResourceVersions).toEqual({});
    sink.onResources(response(['d/last']));
    expect(Object.keys(sink.open()[0]?.initialResourceVersions ?? {})).toEqual(['d/last']);
  });

  it('does not wait for what a source may never answer', () => {
    const sink = new McpSink({
      id: 'pilot',
      collections: [VS, 'k8s/core/v1/configmaps'],
      optional: ['k8s/core/v1/configmaps'],
      apply: () => [],
    });
    sink.open();
    expect(sink.synced).toBe(false);
    sink.onResources(create(ResourcesSchema, { collection: VS }));
    expect(sink.synced).toBe(true);
  });

  it('says of what sources begin with that there is no such collection: they go on only then', () => {
    const sink = new McpSink({ id: 'pilot', collections: [VS], apply: () => [] });
    const [answer] = sink.onResources(create(ResourcesSchema, { collection: '$triggerCollection' }));
    expect(answer).toMatchObject({ collection: '$triggerCollection', errorDetail: { code: 12 } });
  });

  it('refuses what it cannot apply and keeps its state', () => {
    const sink = new McpSink({ id: 'pilot', collections: [VS], apply: () => [{ collection: VS, message: 'wrong' }] });
    const [answer] = sink.onResources(
      new McpSourceStream(
        new Set([VS]),
        view(() => state('1', { 'd/a': '1' })),
      ).onRequest(request({})).responses[0] ?? raise(),
    );
    expect(answer?.errorDetail).toMatchObject({ code: 3, message: 'wrong' });
    expect(sink.open()[0]?.initialResourceVersions).toEqual({});
    expect(sink.synced).toBe(false);
  });
});

function raise(): never {
  throw new Error('no response');
}

describe('resources', () => {
  it('carry an object there and back', () => {
    const decoded = decodeObject({
      apiVersion: 'networking.istio.io/v1beta1',
      kind: 'VirtualService',
      metadata: { name: 'a', namespace: 'd', labels: { l: '1' }, creationTimestamp: '2026-01-02T03:04:05Z', resourceVersion: '42' },
      spec: { hosts: ['reviews'], http: [{ timeout: '5s', route: [{ destination: { host: 'reviews', subset: 'v1' }, weight: 100 }] }] },
    });
    if (!decoded.ok) throw new Error(JSON.stringify(decoded.error));
    expect(collectionOf(decoded.value)).toBe(VS);
    const back = fromResource(VS, toResource(decoded.value));
    expect(back).toMatchObject({
      ok: true,
      value: { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', spec: decoded.value.spec },
    });
    expect(back.ok && back.value.metadata).toMatchObject({
      name: 'a',
      namespace: 'd',
      labels: { l: '1' },
      creationTimestamp: '2026-01-02T03:04:05Z',
      resourceVersion: '42',
    });
  });

  it('get a version from their content when the object has none', () => {
    const metadata = {
      name: 'a',
      namespace: 'd',
      labels: {},
      annotations: {},
      creationTimestamp: '',
      resourceVersion: '',
      uid: '',
      generation: 0,
    };
    const versionOf = (host: string) =>
      toResource({ apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata, spec: { hosts: [host] } }).metadata?.version;
    expect(versionOf('x')).toMatch(/^[\w-]{22}$/);
    expect(versionOf('x')).toBe(versionOf('x'));
    expect(versionOf('x')).not.toBe(versionOf('y'));
  });

  it('name collection, object and field when they are wrong', () => {
    const wrong = toResource({
      apiVersion: 'networking.istio.io/v1',
      kind: 'VirtualService',
      metadata: {
        name: 'a',
        namespace: 'd',
        labels: {},
        annotations: {},
        creationTimestamp: '',
        resourceVersion: '1',
        uid: '',
        generation: 0,
      },
      spec: { hots: [] },
    });
    expect(fromResource(VS, wrong)).toMatchObject({
      ok: false,
      error: expect.stringContaining('VirtualService d/a: spec.hots: unknown field'),
    });
    expect(fromResource(VS, resource('d/a', '1'))).toMatchObject({
      ok: false,
      error: expect.stringContaining('must be type.googleapis.com/google.protobuf.Struct'),
    });
  });
});
