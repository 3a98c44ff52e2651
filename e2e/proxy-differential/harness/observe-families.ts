import type { Certificates } from './certificates.ts';
import type { DifferentialFamily } from './family.ts';
import { type Observations, observeFamily } from './observe.ts';

export interface ObservedFamily {
  readonly envoy: Observations;
  readonly xebec: Observations;
}

/** What is wanted of a run of several families. */
export interface FamiliesRun {
  readonly directory: string;
  readonly certificates: Certificates;
  /** So many families run at once: much of their time is waiting. */
  readonly atOnce: number;
  /** The names of the observations that are not as they should be. */
  unfit(family: DifferentialFamily, seen: ObservedFamily): readonly string[];
}

/**
 * Observes all families, several at once, those that wait long first. Some cases depend on time that a busy machine does not give: a
 * family with one that does not fit is observed again when the others have ended, alone, twice at most, and the case counts as
 * it was when it did fit.
 *
 * @returns by the family's name what was seen, or the error that ended it.
 */
export async function observeFamilies(
  families: readonly DifferentialFamily[],
  run: FamiliesRun,
): Promise<ReadonlyMap<string, ObservedFamily | Error>> {
  const { directory, certificates } = run;
  const found = new Map<string, ObservedFamily | Error>();
  const observe = async (family: DifferentialFamily): Promise<ObservedFamily | Error> =>
    await observeFamily(family, directory, certificates).catch((error: unknown) => new Error(`${family.name}: ${String(error)}`));

  const waiting = families.toSorted((a, b) => Number(b.waits === true) - Number(a.waits === true));
  const lane = async (): Promise<void> => {
    for (let family = waiting.shift(); family !== undefined; family = waiting.shift()) {
      const began = Date.now();
      found.set(family.name, await observe(family));
      if (families.length > 1) console.log(`${family.name}: ${((Date.now() - began) / 1000).toFixed(1)} s`);
    }
  };
  await Promise.all(Array.from({ length: run.atOnce }, lane));

  for (const family of families) {
    for (let again = 0; again < 2; again++) {
      const seen = found.get(family.name);
      if (seen === undefined || seen instanceof Error) break;
      const unfit = run.unfit(family, seen);
      if (unfit.length === 0) break;
      console.log(`${family.name}: once more for ${unfit.join(', ')}`);
      const next = await observe(family);
      if (next instanceof Error) {
        found.set(family.name, next);
        break;
      }
      const still = run.unfit(family, next);
      const settled = unfit.filter((name) => !still.includes(name));
      const update = (of: Observations, by: Observations): Observations =>
        new Map([...of, ...settled.map((name) => [name, by.get(name)] as const)]);
      found.set(family.name, { envoy: update(seen.envoy, next.envoy), xebec: update(seen.xebec, next.xebec) });
    }
  }
  return found;
}
