/**
 * What pilot costs: CPU, bytes and memory of a first sync, of one endpoint change, of one VirtualService change, and how they grow.
 *
 * `npm run bench -- pilot [--services N] [--proxies N] [--variant sotw|delta] [--rounds N] [--growth] [--full-growth] [-o json]`
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ISTIOD, LIMITS } from './limits.ts';
import { type Figures, measureSize, type Size } from './measure-size.ts';

interface Verdict {
  readonly what: string;
  readonly value: number;
  readonly limit: number;
  readonly holds: boolean;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      services: { type: 'string', default: '1000' },
      proxies: { type: 'string', default: '1000' },
      variant: { type: 'string', default: 'both' },
      rounds: { type: 'string', default: '3' },
      growth: { type: 'boolean', default: false },
      'full-growth': { type: 'boolean', default: false },
      output: { type: 'string', short: 'o', default: 'table' },
    },
  });
  const size: Size = { services: Number(values.services), proxies: Number(values.proxies), rounds: Number(values.rounds) };
  if (!(size.services >= 10) || !(size.proxies >= 1) || !(size.rounds >= 1))
    throw new Error('--services is a number from 10, --proxies and --rounds are numbers from 1');
  const variants =
    values.variant === 'both' ? (['sotw', 'delta'] as const) : [values.variant === 'delta' ? ('delta' as const) : ('sotw' as const)];
  const json = values.output === 'json';
  let missed = 0;
  for (const variant of variants) {
    const figures = await withFolder((folder) => measureSize(folder, size, variant));
    missed += report(`${size.services} services, ${size.proxies} proxies, ${variant}`, variant, figures, verdictsOf(figures), json);
  }
  if (values.growth || values['full-growth']) {
    const [small, large]: [Size, Size] = values['full-growth']
      ? [
          { services: 1_000, proxies: 300, rounds: 1 },
          { services: 10_000, proxies: 3_000, rounds: 1 },
        ]
      : [
          { services: 500, proxies: 100, rounds: 1 },
          { services: 2_000, proxies: 400, rounds: 1 },
        ];
    const before = await withFolder((folder) => measureSize(folder, small, 'delta'));
    const after = await withFolder((folder) => measureSize(folder, large, 'delta'));
    const factor = (large.services / small.services) * (large.proxies / small.proxies);
    const growth = {
      what: 'first sync, CPU of the larger over that of the smaller',
      value: after.firstSyncCpuS / before.firstSyncCpuS,
      limit: factor,
      holds: false,
    };
    const verdict = { ...growth, holds: growth.value <= growth.limit };
    missed += report(`${large.services} services, ${large.proxies} proxies, delta`, 'delta', after, [verdict], json);
  }
  return missed === 0 ? 0 : 1;
}

async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'xebec-bench-'));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function verdictsOf(figures: Figures): Verdict[] {
  return LIMITS.map(({ figure, what, limit }) => ({ what, value: figures[figure], limit, holds: figures[figure] <= limit }));
}

function report(title: string, variant: 'sotw' | 'delta', figures: Figures, verdicts: readonly Verdict[], json: boolean): number {
  if (json) console.log(JSON.stringify({ benchmark: 'pilot', title, variant, figures, istiod: ISTIOD[variant], verdicts }));
  else {
    console.log(`\n${title}\n  ${''.padEnd(34)}${'xebec'.padStart(10)}${'istiod'.padStart(10)}`);
    const istiod: Readonly<Partial<Record<string, number>>> = ISTIOD[variant];
    for (const [name, value] of Object.entries(figures))
      console.log(`  ${name.padEnd(34)}${value.toFixed(2).padStart(10)}${(istiod[name]?.toFixed(2) ?? '').padStart(10)}`);
    for (const { what, value, limit, holds } of verdicts)
      console.log(`  ${holds ? 'holds ' : 'MISSED'} ${what}: ${value.toFixed(2)}, limit ${limit}`);
  }
  return verdicts.filter(({ holds }) => !holds).length;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`pilot: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 2;
}
