import { seededRandom } from '@xebec/core';
import { describe, expect, it } from 'vitest';
import { instanceKey, Ledger } from './ledger.ts';
import { blockers } from './proof.ts';
import { initialRotation, type Rotation, type RotationEvent, reduce, trusted } from './rotation.ts';

const LIFE = 50;

function step(state: Rotation, event: RotationEvent): Rotation {
  const next = reduce(state, event);
  return next.ok ? next.state : state;
}

describe('rotation', () => {
  const steady = initialRotation('old', 0);
  const distributing = step(steady, { type: 'begin', target: 'new', at: 1 });
  const switching = step(distributing, { type: 'proven', at: 2 });
  const retiring = step(switching, { type: 'proven', at: 3 });

  it('goes from root to root', () => {
    expect(distributing).toMatchObject({ phase: 'distributing', active: 'old', other: 'new', bundleVersion: 2 });
    expect(trusted(distributing)).toEqual(['old', 'new']);
    expect(switching).toMatchObject({ phase: 'switching', active: 'new', other: 'old', bundleVersion: 2 });
    expect(trusted(switching)).toEqual(['new', 'old']);
    expect(retiring).toMatchObject({ phase: 'retiring', active: 'new', other: 'old', bundleVersion: 3 });
    expect(trusted(retiring)).toEqual(['new']);
    expect(step(retiring, { type: 'proven', at: 4 })).toEqual({ ...steady, active: 'new', bundleVersion: 3, since: 4 });
  });

  it.each([
    ['distributing', distributing, { phase: 'retiring', active: 'old', other: 'new', bundleVersion: 3 }],
    ['switching', switching, { phase: 'switching', active: 'old', other: 'new', bundleVersion: 2 }],
    ['retiring', retiring, { phase: 'distributing', active: 'new', other: 'old', bundleVersion: 4 }],
  ])('rolls back from %s', (_, state, expected) => {
    let back = step({ ...state, paused: true }, { type: 'rollback', at: 9 });
    expect(back).toMatchObject({ ...expected, paused: false, rollingBack: true, declined: 'new', since: 9 });
    for (let i = 0; i < 3; i++) back = step(back, { type: 'proven', at: 10 });
    expect(back).toMatchObject({ phase: 'steady', active: 'old', rollingBack: false, declined: 'new' });
    expect(back.other).toBeUndefined();
  });

  it('goes step by step', () => {
    const begun = step(steady, { type: 'begin', target: 'new', at: 1, paused: true });
    expect(begun).toMatchObject({ phase: 'distributing', paused: true });
    const going = step(begun, { type: 'step' });
    expect(going).toMatchObject({ phase: 'distributing', paused: false });
    const second = step(going, { type: 'proven', at: 2 });
    expect(second).toMatchObject({ phase: 'switching', paused: true });
    expect(step(step(second, { type: 'resume' }), { type: 'proven', at: 3 })).toMatchObject({ phase: 'retiring', paused: false });
    const third = step(step(second, { type: 'step' }), { type: 'proven', at: 3 });
    expect(third).toMatchObject({ phase: 'retiring', paused: true });
    const end = step(step(third, { type: 'step' }), { type: 'proven', at: 4 });
    expect(end).toMatchObject({ phase: 'steady', paused: false, stepping: false });
    expect(step(end, { type: 'begin', target: 'x', at: 5 })).toMatchObject({ phase: 'distributing', paused: false });
    expect(step(step(going, { type: 'pause' }), { type: 'resume' })).toMatchObject({ paused: false, stepping: false });
    expect(step(going, { type: 'rollback', at: 6 })).toMatchObject({ phase: 'retiring', stepping: false });
  });

  it.each<[string, Rotation, RotationEvent, RegExp]>([
    ['a step of nothing', steady, { type: 'step' }, /no rotation/],
    ['a second rotation', switching, { type: 'begin', target: 'x', at: 0 }, /phase switching/],
    ['the same root', steady, { type: 'begin', target: 'old', at: 0 }, /signs already/],
    ['pausing nothing', steady, { type: 'pause' }, /no rotation/],
    ['pausing twice', { ...switching, paused: true }, { type: 'pause' }, /paused already/],
    ['resuming what goes on', switching, { type: 'resume' }, /not paused/],
    ['going on while paused', { ...switching, paused: true }, { type: 'proven', at: 0 }, /paused/],
    ['rolling back nothing', steady, { type: 'rollback', at: 0 }, /no rotation/],
    ['skipping for nothing', steady, { type: 'skip', id: 'x' }, /no rotation/],
    ['replacing a signer in no use', steady, { type: 'replaced', signer: 'x', by: 'y' }, /no use/],
  ])('refuses %s', (_, state, event, reason) => {
    const refused = reduce(state, event);
    expect(refused.ok).toBe(false);
    expect(refused.ok ? '' : refused.reason).toMatch(reason);
  });
});

/** A workload with its own copy of the bundle, which gets messages late, goes away, comes back, and renews when it likes. */
interface Workload {
  readonly identity: string;
  readonly name: string;
  /** Agents of others get roots with each certificate alone, and never report. */
  readonly reports: boolean;
  connected: boolean;
  version: number;
  roots: readonly string[];
  inbox: { version: number; roots: readonly string[] }[];
  leaf?: { serial: string; signer: string; notAfter: number };
}

/** One life of a mesh with random events; throws when somebody shows a certificate that somebody else does not trust. */
function live(seed: number, steps: number): { finished: number } {
  const random = seededRandom(seed);
  const pick = <T>(items: readonly T[]): T | undefined => items[Math.floor(random.next() * items.length)];
  let rotation = initialRotation('root0', 0);
  let ledger = new Ledger();
  let now = 0;
  let serial = 0;
  let roots = 0;
  let finished = 0;
  const workloads: Workload[] = [];
  const send = (workload: Workload) => workload.inbox.push({ version: rotation.bundleVersion, roots: trusted(rotation) });
  const apply = (event: RotationEvent) => {
    const before = rotation;
    rotation = step(rotation, event);
    if (rotation.phase === 'steady' && before.phase !== 'steady') finished++;
    if (rotation.bundleVersion !== before.bundleVersion) for (const workload of workloads) if (workload.connected) send(workload);
  };
  const report = (workload: Workload) => {
    if (!workload.connected) return;
    ledger.reported({
      identity: workload.identity,
      instance: workload.name,
      bundleVersion: workload.version,
      roots: workload.roots,
      leafRoot: workload.leaf?.signer ?? '',
      leafSerial: workload.leaf?.serial ?? '',
      leafNotAfter: workload.leaf?.notAfter ?? 0,
      reportedAt: now,
      clockOffsetMs: 0,
      error: '',
    });
  };
  const key = (workload: Workload) => instanceKey(workload.identity, workload.name);
  const actions: readonly (() => void)[] = [
    () => {
      if (workloads.length >= 12) return;
      const reports = random.next() < 0.8;
      const identity = `id${Math.floor(random.next() * 4)}`;
      workloads.push({ identity, name: `w${serial++}`, reports, connected: false, version: 0, roots: [], inbox: [] });
    },
    () => {
      const workload = pick(workloads.filter(({ reports, connected }) => reports && !connected));
      if (workload === undefined) return;
      workload.connected = true;
      ledger.opened(key(workload));
      report(workload);
      send(workload);
    },
    () => {
      const workload = pick(workloads.filter(({ connected }) => connected));
      if (workload === undefined) return;
      workload.connected = false;
      workload.inbox = [];
      ledger.closed(key(workload));
    },
    () => {
      // A bundle arrives.
      const workload = pick(workloads.filter(({ inbox }) => inbox.length > 0));
      const bundle = workload?.inbox.shift();
      if (workload === undefined || bundle === undefined) return;
      workload.version = bundle.version;
      workload.roots = bundle.roots;
      report(workload);
    },
    () => {
      // Renews: roots of the answer are trusted too until the stream says more.
      const workload = pick(workloads);
      if (workload === undefined) return;
      const leaf = { serial: `s${serial++}`, signer: rotation.active, notAfter: now + LIFE };
      ledger.issued({ identity: workload.identity, ...leaf, bundleVersion: rotation.bundleVersion });
      workload.roots = [...new Set([...(workload.reports ? workload.roots : []), ...trusted(rotation)])];
      workload.leaf = leaf;
      report(workload);
    },
    () => {
      // The machine looks for proof.
      ledger.prune(now);
      if (blockers(rotation, ledger, (signer) => [signer], now).length === 0) apply({ type: 'proven', at: now });
    },
    () => apply({ type: 'begin', target: `root${++roots}`, at: now }),
    () => (random.next() < 0.15 ? apply({ type: 'rollback', at: now }) : undefined),
    () => (random.next() < 0.1 ? apply({ type: 'pause' }) : apply({ type: 'resume' })),
    () => {
      // Citadel restarts: connections are gone, what was written is there.
      if (random.next() > 0.05) return;
      const fresh = new Ledger();
      fresh.restore(JSON.parse(JSON.stringify(ledger.snapshot())));
      ledger = fresh;
      rotation = JSON.parse(JSON.stringify(rotation));
      for (const workload of workloads) {
        workload.connected = false;
        workload.inbox = [];
      }
    },
  ];
  for (let i = 0; i < steps; i++) {
    now += random.next() < 0.5 ? 1 : 0;
    pick(actions)?.();
    const valid = workloads.filter(({ leaf }) => leaf !== undefined && leaf.notAfter > now);
    for (const shower of valid) {
      for (const judge of valid) {
        if (!judge.roots.includes(shower.leaf?.signer ?? '')) {
          throw new Error(
            `seed ${seed} step ${i}: ${judge.name} does not trust ${shower.leaf?.signer} of ${shower.name} (${rotation.phase})`,
          );
        }
      }
    }
  }
  return { finished };
}

it('never lets a workload show a certificate that another does not trust, whatever happens in whatever order', () => {
  let finished = 0;
  for (let seed = 1; seed <= 150; seed++) finished += live(seed, 1500).finished;
  // The machine also gets somewhere.
  expect(finished).toBeGreaterThan(100);
});
