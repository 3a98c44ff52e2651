import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeCertificates } from './harness/certificates.ts';
import { type Differences, differences } from './harness/differences.ts';
import { differencesPage } from './harness/differences-page.ts';
import type { DifferentialFamily } from './harness/family.ts';
import { type ObservedFamily, observeFamilies } from './harness/observe-families.ts';

/** All families of the folder, by file name. */
async function loadFamilies(): Promise<readonly DifferentialFamily[]> {
  const folder = join(import.meta.dirname, 'families');
  const only = process.env['FAMILY'];
  const files = readdirSync(folder).filter((file) => (only === undefined ? file.endsWith('.ts') : file === `${only}.ts`));
  const modules = await Promise.all(files.sort().map(async (file) => Object.values(await import(join(folder, file)))));
  return modules.flat().filter((value): value is DifferentialFamily => typeof value === 'object' && value !== null && 'bootstrap' in value);
}

/** Fewer equal ones fail the suite. */
const LEAST_EQUAL = 0.97;

/** Families that run at once, with their upstreams in this process. */
const AT_ONCE = 4;

/** One line each, ready to be pasted into `known`. */
const lines = (of: object): string[] => Object.entries(of).map(([path, values]) => `'${path}': ${JSON.stringify(values)}`);

const families = await loadFamilies();
const totals = new Map<string, { equal: number; known: number; unexplained: string[] }>();
let observed: ReadonlyMap<string, ObservedFamily | Error>;
let directory: string;

const namesOf = (family: DifferentialFamily): string[] => [
  ...family.cases.map(({ name }) => name),
  ...(family.stats === undefined ? [] : ['stats']),
];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'xebec-differential-'));
  observed = await observeFamilies(families, {
    directory,
    certificates: await makeCertificates(directory),
    atOnce: Number(process.env['AT_ONCE'] ?? AT_ONCE),
    unfit: (family, seen) =>
      namesOf(family).filter(
        (name) =>
          lines(differences(seen.envoy.get(name), seen.xebec.get(name))).join() !== lines(family.known?.[name]?.differs ?? {}).join(),
      ),
  });
}, 1_500_000);

afterAll(async () => {
  if (process.env['KEEP'] === undefined) await rm(directory, { recursive: true, force: true });
});

describe.each(families)('$name', (family) => {
  let envoy: ObservedFamily['envoy'];
  let xebec: ObservedFamily['xebec'];
  const total = { equal: 0, known: 0, unexplained: [] as string[] };
  const report: Record<string, Differences> = {};

  const names = namesOf(family);

  beforeAll(() => {
    totals.set(family.name, total);
    const seen = observed.get(family.name);
    if (seen === undefined || seen instanceof Error) throw seen ?? new Error(`${family.name} was not observed`);
    ({ envoy, xebec } = seen);
  });

  afterAll(() => {
    const folder = process.env['REPORT'];
    if (folder !== undefined) writeFileSync(join(folder, `${family.name}.json`), JSON.stringify(report, undefined, 1));
  });

  it.each(names)('%s', (name) => {
    expect(envoy.has(name)).toBe(true);
    // A case that threw has seen nothing, even if it threw with both.
    for (const seen of [envoy.get(name), xebec.get(name)]) expect(seen).not.toHaveProperty('failed');
    if (process.env['SHOW'] !== undefined) console.log(name, JSON.stringify(envoy.get(name), undefined, 1));
    const found = differences(envoy.get(name), xebec.get(name));
    const known = family.known?.[name];
    const differs = Object.keys(found).length > 0;
    if (!differs) total.equal++;
    else if (known === undefined) {
      total.unexplained.push(name);
      report[name] = found;
    } else total.known++;
    // A difference that is gone must leave the table.
    expect(lines(found)).toEqual(lines(known?.differs ?? {}));
  });

  it('has cases of different names, and explains none that it does not have', () => {
    expect(new Set(names).size).toBe(names.length);
    expect(Object.keys(family.known ?? {}).filter((name) => !names.includes(name))).toEqual([]);
  });
});

describe('all families', () => {
  // With FAMILY, which is for work on one, only that family is loaded, and the page has all. CI sets none.
  it.skipIf(process.env['FAMILY'] !== undefined)('have their differences in the documentation', () => {
    const file = join(import.meta.dirname, '../../docs/reference/envoy-differences.md');
    const introduction = readFileSync(join(import.meta.dirname, 'differences-introduction.md'), 'utf8');
    const page = differencesPage(introduction, families);
    if (process.env['UPDATE_DOCS'] !== undefined) writeFileSync(file, page);
    expect(readFileSync(file, 'utf8')).toBe(page);
  });

  it('do at least 97 % of what they do as Envoy does it', () => {
    const sum = { equal: 0, known: 0, unexplained: 0 };
    const rows = [...totals].map(([name, { equal, known, unexplained }]) => {
      sum.equal += equal;
      sum.known += known;
      sum.unexplained += unexplained.length;
      return `${name.padEnd(24)} ${String(equal + known + unexplained.length).padStart(5)} ${String(equal).padStart(6)} ${String(known).padStart(6)} ${String(unexplained.length).padStart(6)}`;
    });
    const all = sum.equal + sum.known + sum.unexplained;
    console.log(`family                   seen  equal  known  other\n${rows.join('\n')}`);
    console.log(
      `observations: ${all}, equal: ${sum.equal}, explained differences: ${sum.known}, others: ${sum.unexplained}, share: ${((100 * sum.equal) / all).toFixed(2)} %`,
    );
    if (totals.size === families.length && process.env['FAMILY'] === undefined) expect(sum.equal / all).toBeGreaterThanOrEqual(LEAST_EQUAL);
  });
});
