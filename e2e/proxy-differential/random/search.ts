import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Certificates, makeCertificates } from '../harness/certificates.ts';
import { type Differences, differences } from '../harness/differences.ts';
import { observeFamily } from '../harness/observe.ts';
import { generateScene } from './generate.ts';
import type { Scene } from './scene.ts';
import { nameOf, sceneFamily } from './scene-family.ts';
import { removablePaths, without } from './shrink.ts';

/** A difference, as small as it could be made. */
export interface Found {
  readonly seed: number;
  readonly scene: Scene;
  readonly differs: Differences;
}

export interface SearchResult {
  readonly compared: number;
  readonly equal: number;
  /** Scenes whose configuration both refused. */
  readonly refused: number;
  readonly found: readonly Found[];
  /** How often each kind was seen. */
  readonly counts: ReadonlyMap<string, number>;
}

/** Scenes in one pair of processes; each has a listener, and there are 120 ports. */
const BATCH = 10;
const SHRINK_BATCH = 90;
/** Shrinking ends after so long with what it has. */
const SHRINK_MS = Number(process.env['SHRINK_MS'] ?? 60_000);

/** What differs, without values: two differences of one kind are likely one defect. */
export const kindOf = (differs: Differences): string =>
  Object.keys(differs)
    .map((path) => path.replaceAll(/\d+/g, 'N'))
    .sort()
    .join(' ');

/** Runs the scenes of seeds against both proxies; with `shrink`, each kind of difference once, made small. */
export async function search(
  seeds: readonly number[],
  options: { readonly shrink: boolean; readonly say: (line: string) => void; readonly generate?: (seed: number) => Scene },
): Promise<SearchResult> {
  const directory = await mkdtemp(join(tmpdir(), 'xebec-random-'));
  try {
    const certificates = await makeCertificates(directory);
    const total = { compared: 0, equal: 0, refused: 0 };
    const kinds = new Map<string, Found>();
    const counts = new Map<string, number>();
    for (let at = 0; at < seeds.length; at += BATCH) {
      const batch = seeds.slice(at, at + BATCH);
      const scenes = batch.map((seed) => (options.generate ?? generateScene)(seed));
      const { envoy, xebec } = await observeFamily(sceneFamily('random', scenes), directory, certificates);
      for (const [i, scene] of scenes.entries()) {
        const seed = batch[i] ?? 0;
        const names = [...scene.asks.map((_ask, j) => `${nameOf(i)} ${j}`), `${nameOf(i)} stats`];
        if (names.every((name) => [envoy, xebec].every((one) => isRefused(one.get(name))) || name.endsWith('stats'))) total.refused++;
        let before = false;
        for (const [j, name] of names.entries()) {
          const differs = differences(envoy.get(name), xebec.get(name));
          total.compared++;
          if (Object.keys(differs).length === 0) {
            total.equal++;
            continue;
          }
          const one = scene.asks[j];
          // Statistics differ when something before them did.
          if (one === undefined && before) continue;
          before = true;
          const kept = { seed, scene: one === undefined ? scene : { ...scene, asks: [one] }, differs };
          counts.set(kindOf(differs), (counts.get(kindOf(differs)) ?? 0) + 1);
          if (!kinds.has(kindOf(differs))) kinds.set(kindOf(differs), kept);
        }
      }
      options.say(
        `seeds ${batch[0]}-${batch.at(-1)}: ${total.equal} of ${total.compared} equal so far, ${total.refused} scenes refused by both`,
      );
    }
    const found = [...kinds.values()];
    return { ...total, counts, found: options.shrink ? await shrinkAll(found, directory, certificates, options.say) : found };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const isRefused = (seen: unknown): boolean => JSON.stringify(seen)?.includes('"not connected"') ?? false;

/** Differences of the requests of several scenes, all at once. */
async function differencesOf(scenes: readonly Scene[], directory: string, certificates: Certificates): Promise<Differences[]> {
  const results: Differences[] = [];
  for (let at = 0; at < scenes.length; at += SHRINK_BATCH) {
    const batch = scenes.slice(at, at + SHRINK_BATCH);
    const { envoy, xebec } = await observeFamily(sceneFamily('shrink', batch), directory, certificates);
    for (const [i, scene] of batch.entries()) {
      const names = [...scene.asks.map((_ask, j) => `${nameOf(i)} ${j}`), `${nameOf(i)} stats`];
      const list = names.map((name) => differences(envoy.get(name), xebec.get(name)));
      results.push(list.find((one) => Object.keys(one).length > 0) ?? {});
    }
  }
  return results;
}

/** The first path without numbers: what a smaller scene must still differ in. */
const mainPath = (differs: Differences): string => Object.keys(differs)[0]?.replaceAll(/\d+/g, 'N') ?? '';

async function shrinkAll(
  found: readonly Found[],
  directory: string,
  certificates: Certificates,
  say: (line: string) => void,
): Promise<Found[]> {
  let open = found.map((one) => ({ ...one, tried: new Set<string>(), done: false }));
  const alone = await differencesOf(
    open.map(({ scene }) => scene),
    directory,
    certificates,
  );
  open = open.map((one, i) => ({
    ...one,
    done: Object.keys(alone[i] ?? {}).length === 0,
    differs: Object.keys(alone[i] ?? {}).length === 0 ? one.differs : (alone[i] ?? {}),
  }));
  const end = Date.now() + SHRINK_MS;
  for (let round = 0; Date.now() < end && open.some(({ done }) => !done); round++) {
    const active = open.filter(({ done }) => !done).slice(0, 6);
    const share = Math.max(6, Math.floor(SHRINK_BATCH / active.length));
    const candidates = active.flatMap((one) => {
      const paths = removablePaths(one.scene).filter((path) => !one.tried.has(JSON.stringify(without(one.scene, [path]))));
      if (paths.length === 0) one.done = true;
      return paths.slice(0, share).map((path) => ({ one, path, scene: without(one.scene, [path]) as Scene }));
    });
    const usable = candidates.filter(
      ({ scene }) => scene.manager !== undefined && scene.routes !== undefined && scene.asks?.[0]?.does !== undefined,
    );
    for (const { one, scene } of candidates) one.tried.add(JSON.stringify(scene));
    const results = await differencesOf(
      usable.map(({ scene }) => scene),
      directory,
      certificates,
    );
    const worked = new Map<(typeof active)[number], (typeof usable)[number][]>();
    for (const [i, candidate] of usable.entries())
      if (
        Object.keys(results[i] ?? {})
          .map((path) => path.replaceAll(/\d+/g, 'N'))
          .includes(mainPath(candidate.one.differs))
      )
        worked.set(candidate.one, [...(worked.get(candidate.one) ?? []), candidate]);
    // All that could be left out alone, together; if that is too much, the halves, or the largest one.
    const combined = [...worked].map(([one, list]) => {
      const outer = list.filter(
        ({ path }) => !list.some((other) => other.path.length < path.length && other.path.every((key, i) => key === path[i])),
      );
      const take = (count: number): Scene =>
        without(
          one.scene,
          outer.slice(0, count).map(({ path }) => path),
        ) as Scene;
      return { one, tries: [take(outer.length), take(Math.ceil(outer.length / 2)), take(1)] };
    });
    const second = await differencesOf(
      combined.flatMap(({ tries }) => tries),
      directory,
      certificates,
    );
    for (const [i, { one, tries }] of combined.entries()) {
      const best = [0, 1, 2].find((k) =>
        Object.keys(second[i * 3 + k] ?? {})
          .map((path) => path.replaceAll(/\d+/g, 'N'))
          .includes(mainPath(one.differs)),
      );
      const scene = best === undefined ? undefined : tries[best];
      if (best === undefined || scene === undefined) continue;
      Object.assign(one, { scene, differs: second[i * 3 + best] ?? {} });
    }
    say(
      `shrinking, round ${round + 1}: ${open.filter(({ done }) => !done).length} open, sizes ${open.map(({ scene }) => JSON.stringify(scene).length).join(' ')}`,
    );
  }
  return open.map(({ seed, scene, differs }) => ({ seed, scene, differs }));
}
