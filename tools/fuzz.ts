/**
 * Feeds malformed inputs to every fuzz target: `npm run fuzz -- [--runs N] [--seed N] [target…]`; `--repeat N` runs one input
 * again, with its stack. Exit code 1 at a finding, whose input is kept in a file.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { FuzzTarget } from '@xebec/core';
import { type FuzzFinding, fuzzInput, fuzzRange } from './src/fuzz/fuzz-run.ts';
import { findFuzzTargets } from './src/fuzz/fuzz-targets.ts';

/** After a run and a garbage collection a parser may hold this much more than before: caches, compiled code. */
const keptLimitBytes = 32 * 1024 * 1024;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    repeat: { type: 'string' },
    findings: { type: 'string', default: 'fuzz-findings' },
  },
});

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0) return value;
  console.error(`fuzz: --${name} takes a whole number, not "${text}"`);
  process.exit(64);
}

const runs = wholeNumber('runs', values.runs);
const seed = wholeNumber('seed', values.seed);
const all = await findFuzzTargets(join(import.meta.dirname, '..'));
const unknown = positionals.filter((name) => !all.some((target) => target.name === name));
if (unknown.length > 0) {
  console.error(`fuzz: no target "${unknown[0]}"; there are ${all.map(({ name }) => name).join(', ')}`);
  process.exit(64);
}
const targets = positionals.length === 0 ? all : all.filter(({ name }) => positionals.includes(name));

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

/** Bytes in use after everything unreachable has gone: finalizers of buffers run between two collections. */
async function usedBytes(): Promise<number> {
  collect();
  await setImmediate();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function report(finding: FuzzFinding): void {
  mkdirSync(values.findings, { recursive: true });
  const file = join(values.findings, `${finding.target}-${finding.seed}-${finding.number}`);
  writeFileSync(file, finding.input);
  console.error(`${finding.target}: input ${finding.number} of seed ${finding.seed}: ${finding.error}`);
  console.error(`  kept in ${file}; again with: npm run fuzz -- ${finding.target} --seed ${finding.seed} --repeat ${finding.number}`);
}

/** Runs in slices, so that a long run shows progress; true when nothing was found. */
async function fuzzTarget(target: FuzzTarget): Promise<boolean> {
  await fuzzRange(target, seed, 0, Math.min(runs, 500), () => performance.now());
  const before = await usedBytes();
  const startMs = performance.now();
  const slice = Math.max(1, Math.ceil(runs / 10));
  let slowestMs = 0;
  for (let from = 0; from < runs; from += slice) {
    const run = await fuzzRange(target, seed, from, Math.min(from + slice, runs), () => performance.now());
    slowestMs = Math.max(slowestMs, run.slowestMs);
    if (run.finding !== undefined) {
      report(run.finding);
      return false;
    }
    if (process.stdout.isTTY) process.stdout.write(`\r${target.name.padEnd(20)} ${Math.min(from + slice, runs)} of ${runs}`);
  }
  const tookS = (performance.now() - startMs) / 1000;
  const kept = (await usedBytes()) - before;
  const keptText = `${(kept / 1024 / 1024).toFixed(1)} MiB kept`;
  const line = `${target.name.padEnd(20)} ${String(runs).padStart(8)} inputs ${tookS.toFixed(1).padStart(7)} s  slowest ${slowestMs.toFixed(1)} ms  ${keptText}`;
  console.log(`${process.stdout.isTTY ? '\r' : ''}${line}`);
  if (kept <= keptLimitBytes) return true;
  console.error(`${target.name}: memory grew by ${keptText}`);
  return false;
}

if (values.repeat !== undefined) {
  const number = wholeNumber('repeat', values.repeat);
  for (const target of targets) {
    console.log(`${target.name}: ${JSON.stringify(fuzzInput(target, seed, number).toString('latin1'))}`);
    const { finding } = await fuzzRange(target, seed, number, number + 1, () => performance.now());
    console.log(finding === undefined ? 'nothing wrong' : finding.stack);
  }
} else {
  const failed: string[] = [];
  for (const target of targets) if (!(await fuzzTarget(target))) failed.push(target.name);
  if (failed.length > 0) console.error(`fuzz: findings in ${failed.join(', ')}`);
  process.exitCode = failed.length === 0 ? 0 : 1;
}
