/**
 * What policy and telemetry cost, in Mixer and in the proxy.
 *
 * `npm run bench -- mixer [part…] [--seconds N] [--rounds N] [-o json]`
 */
import { parseArgs } from 'node:util';
import { summarize } from '../src/stats.ts';
import type { BenchPart } from './part.ts';
import { parts } from './parts.ts';

interface Row {
  readonly part: BenchPart;
  readonly figure: number;
  readonly holds: boolean;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '4' },
      rounds: { type: 'string', default: '3' },
      output: { type: 'string', short: 'o', default: 'table' },
    },
  });
  const [seconds, rounds] = [Number(values.seconds), Number(values.rounds)];
  if (!(seconds >= 1) || !(rounds >= 1)) throw new Error('--seconds and --rounds are numbers from 1');
  const unknown = positionals.find((name) => !parts.some((part) => part.name === name));
  if (unknown !== undefined) throw new Error(`no part ${unknown}; there are ${parts.map(({ name }) => name).join(', ')}`);
  const rows: Row[] = [];
  for (const part of parts) {
    if (positionals.length > 0 && !positionals.includes(part.name)) continue;
    rows.push(await measure(part, seconds, rounds));
  }
  report(rows, values.output === 'json');
  return rows.every(({ holds }) => holds) ? 0 : 1;
}

async function measure(part: BenchPart, seconds: number, rounds: number): Promise<Row> {
  try {
    const figures: number[] = [];
    for (let round = 0; round < rounds; round++) figures.push(await part.measure({ seconds }));
    const figure = summarize(figures).median;
    return { part, figure, holds: figure <= part.limit };
  } finally {
    await part.close?.();
  }
}

function report(rows: readonly Row[], json: boolean): void {
  if (json) {
    const plain = rows.map(({ part: { name, what, unit, limit, peer }, figure, holds }) => ({
      name,
      what,
      unit,
      limit,
      peer,
      figure,
      holds,
    }));
    console.log(JSON.stringify({ benchmark: 'mixer', rows: plain }));
    return;
  }
  console.log(`\n${''.padEnd(18)}${'figure'.padStart(10)}${'limit'.padStart(8)}${'peer'.padStart(8)}`);
  for (const { part, figure, holds } of rows) {
    const figures = [figure.toFixed(1).padStart(10), String(part.limit).padStart(8), String(part.peer ?? '').padStart(8)].join('');
    console.log(`${part.name.padEnd(18)}${figures} ${part.unit.padEnd(3)} ${holds ? 'holds ' : 'MISSED'} ${part.what}`);
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`mixer: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 2;
}
