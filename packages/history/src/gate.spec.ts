import { objectKey } from '@xebec/config';
import { VirtualClock } from '@xebec/core';
import type { ConfigObject } from '@xebec/schemas';
import { describe, expect, it } from 'vitest';
import type { Bundle } from './bundle.ts';
import { ConfigGate, type PublishedChange } from './gate.ts';
import { configObject, destinationRule, stored, virtualService } from './test-objects.ts';

const vs = virtualService('v1');
const dr = destinationRule('v1');
const vs2 = virtualService('v2');
const dr2 = destinationRule('v1', 'v2');

function bundleOf(id: string, ...changes: readonly [ConfigObject | undefined, ConfigObject | undefined][]): Bundle {
  return {
    id,
    client: 'anna@build7',
    message: '',
    timeoutSeconds: 30,
    createdAt: 0,
    changes: changes.map(([before, after]) => ({ before: before && stored(before), after: after && stored(after) })),
    phase: '',
    statusMessage: '',
    version: undefined,
    holders: new Set(),
  };
}

function start(objects: readonly ConfigObject[], bundles: readonly Bundle[] = [], leads = true) {
  const clock = new VirtualClock();
  const published = new Map<string, ConfigObject>();
  const batches: string[][] = [];
  const versions: PublishedChange[] = [];
  const phases: string[] = [];
  const dangling: string[] = [];
  const gate = new ConfigGate(
    clock,
    {
      publish: (upserts, deletions) => {
        for (const object of upserts) published.set(objectKey(object), object);
        for (const key of deletions) published.delete(key);
        batches.push([...upserts.map((object) => object.kind), ...deletions.map((key) => `-${key}`)]);
      },
      onVersion: (version) => void versions.push(version),
      onBundle: (bundle, phase) => void phases.push(`${bundle.id} ${phase}`),
      onDangling: (_key, reference) => void dangling.push(reference),
    },
    leads,
  );
  gate.start(objects, bundles);
  batches.length = 0;
  let resourceVersion = 100;
  const write = (object: ConfigObject) => {
    const next = { ...object, metadata: { ...object.metadata, resourceVersion: String(++resourceVersion) } };
    gate.onObjects([{ type: 'upsert', key: objectKey(object), object: next, previous: undefined }]);
  };
  const remove = (object: ConfigObject) => gate.onObjects([{ type: 'delete', key: objectKey(object), previous: object }]);
  const specOf = (object: ConfigObject) => published.get(objectKey(object))?.spec;
  return { clock, gate, batches, versions, phases, dangling, write, remove, specOf, published };
}

describe('a bundle', () => {
  it('takes effect when its last member is stored, in one publication and one version', () => {
    const { gate, batches, versions, phases, write, specOf } = start([vs, dr]);
    gate.onBundle(bundleOf('b', [vs, vs2], [dr, dr2]));
    write(vs2);
    expect(batches).toEqual([]);
    expect(specOf(vs)).toEqual(vs.spec);
    expect(gate.holderOf(objectKey(vs))?.id).toBe('b');
    write(dr2);
    expect(batches.map((batch) => batch.toSorted())).toEqual([['DestinationRule', 'VirtualService']]);
    expect(specOf(vs)).toEqual(vs2.spec);
    expect(versions.map(({ bundle, changes }) => [bundle?.id, changes.length])).toEqual([['b', 2]]);
    expect(phases).toEqual(['b Open', 'b Complete']);
    expect(gate.open()).toEqual([]);
  });

  it('can delete', () => {
    const { gate, batches, write, remove, published } = start([vs2, dr2]);
    gate.onBundle(bundleOf('b', [vs2, undefined], [dr2, dr]));
    write(dr);
    expect(published.size).toBe(2);
    remove(vs2);
    expect(batches).toEqual([['DestinationRule', '-networking.istio.io/VirtualService/shop/reviews']]);
  });

  it('lets others pass while it waits', () => {
    const { gate, write, specOf } = start([vs, dr]);
    gate.onBundle(bundleOf('b', [vs, vs2], [dr, dr2]));
    write(vs2);
    const other = configObject('ServiceEntry', 'other', { hosts: ['a.example'] });
    write(other);
    expect(specOf(other)).toEqual(other.spec);
    expect(specOf(vs)).toEqual(vs.spec);
  });

  it('stays held after its time, and is released by its completion', () => {
    const { clock, gate, phases, write, specOf } = start([vs, dr]);
    gate.onBundle(bundleOf('b', [vs, vs2], [dr, dr2]));
    write(vs2);
    clock.advance(30_000);
    expect(phases).toEqual(['b Open', 'b Stalled']);
    expect(gate.open()).toMatchObject([{ phase: 'Stalled', waitingFor: [objectKey(dr)] }]);
    expect(specOf(vs)).toEqual(vs.spec);
    write(dr2);
    expect(specOf(vs)).toEqual(vs2.spec);
    expect(phases.at(-1)).toBe('b Complete');
  });

  it('is dropped after its time when nothing of it was stored', () => {
    const { clock, gate, phases, write, specOf } = start([vs, dr]);
    gate.onBundle(bundleOf('b', [vs, vs2], [dr, dr2]));
    clock.advance(30_000);
    expect(phases).toEqual(['b Open', 'b Abandoned']);
    write(dr2);
    expect(specOf(dr)).toEqual(dr2.spec);
    expect(clock.pending).toBe(0);
  });

  it('undone by its writer and removed leaves everything as it was', () => {
    const { gate, versions, write, specOf } = start([vs, dr]);
    gate.onBundle(bundleOf('b', [vs, vs2], [dr, dr2]));
    write(vs2);
    write(vs);
    gate.onBundleGone('b');
    expect(specOf(vs)).toEqual(vs.spec);
    expect(versions).toEqual([]);
  });

  it('removed half-written makes what is stored count', () => {
    const { gate, write, specOf } = start([vs, dr]);
    gate.onBundle(bundleOf('b', [vs, vs2], [dr, dr2]));
    write(dr2);
    gate.onBundleGone('b');
    expect(specOf(dr)).toEqual(dr2.spec);
  });

  it('half-written before a restart is still held: the members are as they were before', () => {
    const { specOf, write } = start([vs2, dr], [bundleOf('b', [vs, vs2], [dr, dr2])]);
    expect(specOf(vs)).toMatchObject(vs.spec as object);
    write(dr2);
    expect(specOf(vs)).toEqual(vs2.spec);
  });

  it('fully written before a restart is in force and becomes a version', () => {
    const { specOf, versions, phases } = start([vs2, dr2], [bundleOf('b', [vs, vs2], [dr, dr2])]);
    expect(specOf(vs)).toEqual(vs2.spec);
    expect(versions.map(({ bundle }) => bundle?.id)).toEqual(['b']);
    expect(phases.at(-1)).toBe('b Complete');
  });
});

describe('a gate that follows another', () => {
  const told = (phase: Bundle['phase']): Bundle => ({ ...bundleOf('b', [vs, vs2], [dr, dr2]), phase });

  it('holds what it sees stored until it is told that the bundle is complete', () => {
    const { gate, batches, write, phases, versions } = start([vs, dr], [], false);
    gate.onBundle(told(''));
    write(vs2);
    write(dr2);
    expect(batches).toEqual([]);
    gate.onBundle(told('Complete'));
    expect(batches.map((batch) => batch.toSorted())).toEqual([['DestinationRule', 'VirtualService']]);
    expect(phases).toEqual(['b Open', 'b Complete']);
    expect(versions).toHaveLength(1);
  });

  it('told before it sees the last member waits for it, also when another was overwritten meanwhile', () => {
    const { clock, gate, batches, write, specOf } = start([vs, dr], [], false);
    gate.onBundle(told('Open'));
    write(vs2);
    const later = { ...vs2, spec: { ...(vs2.spec as object), hosts: ['reviews', 'later'] } };
    write(later);
    gate.onBundle(told('Complete'));
    expect(batches).toEqual([]);
    write(dr2);
    expect(batches).toHaveLength(1);
    expect(specOf(vs)).toEqual(later.spec);
    expect(clock.pending).toBe(0);
  });

  it('does not wait for ever for what it never saw', () => {
    const { clock, gate, write, specOf } = start([vs, dr], [], false);
    gate.onBundle(told('Open'));
    write({ ...vs2, spec: { ...(vs2.spec as object), hosts: ['reviews', 'later'] } });
    write(dr2);
    gate.onBundle(told('Complete'));
    expect(specOf(dr)).toEqual(dr.spec);
    clock.advance(10_000);
    expect(specOf(dr)).toEqual(dr2.spec);
  });

  it('leaves it to the leader to stall or drop a bundle', () => {
    const { clock, gate, phases, write, specOf } = start([vs, dr], [], false);
    gate.onBundle(told(''));
    clock.advance(60_000);
    expect(phases).toEqual(['b Open']);
    gate.onBundle(told('Abandoned'));
    write(dr2);
    expect(specOf(dr)).toEqual(dr2.spec);
  });

  it('decides itself from the moment it leads: what is complete is in force, what is too old stalls', () => {
    const complete = start([vs, dr], [], false);
    complete.gate.onBundle(told('Open'));
    complete.write(vs2);
    complete.write(dr2);
    complete.gate.leads = true;
    expect(complete.phases).toEqual(['b Open', 'b Complete']);
    const half = start([vs, dr], [], false);
    half.gate.onBundle(told('Open'));
    half.write(vs2);
    half.gate.leads = true;
    half.clock.advance(30_000);
    expect(half.phases).toEqual(['b Open', 'b Stalled']);
    expect(half.specOf(vs)).toEqual(vs.spec);
  });
});

describe('order', () => {
  it('holds a route to a subset until the subset is there', () => {
    const { clock, write, batches, dangling } = start([vs, dr]);
    write(vs2);
    clock.advance(200);
    expect(batches).toEqual([]);
    write(dr2);
    expect(batches.map((batch) => batch.toSorted())).toEqual([['DestinationRule', 'VirtualService']]);
    clock.advance(1000);
    expect(dangling).toEqual([]);
  });

  it('publishes it anyway after half a second, and says so', () => {
    const { clock, write, batches, dangling } = start([vs, dr]);
    write(vs2);
    clock.advance(499);
    expect(batches).toEqual([]);
    clock.advance(1);
    expect(batches).toEqual([['VirtualService']]);
    expect(dangling).toEqual(['subset reviews.shop.svc.cluster.local v2']);
  });

  it('holds the removal of a subset until no route names it', () => {
    const { write, batches } = start([vs2, dr2]);
    write(dr);
    expect(batches).toEqual([]);
    write(vs);
    expect(batches.map((batch) => batch.toSorted())).toEqual([['DestinationRule', 'VirtualService']]);
  });

  it('does not wait for what was missing before', () => {
    const { write, batches } = start([vs2, dr]);
    write({ ...vs2, spec: { ...(vs2.spec as object), hosts: ['reviews', 'r2'] } });
    expect(batches).toEqual([['VirtualService']]);
  });

  it('lets what depends on nothing pass at once, and changes of status without a version', () => {
    const { write, batches, versions } = start([vs, dr]);
    write(dr2);
    write(dr2);
    expect(batches).toEqual([['DestinationRule'], ['DestinationRule']]);
    expect(versions).toHaveLength(1);
  });
});
