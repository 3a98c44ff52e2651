import { generateScene } from './generate.ts';
import { generatePolicyScene } from './generate-policy.ts';
import { search } from './search.ts';

/** `SEEDS=from-to` or `SEEDS=1,2,3`; `SCENES=policy` for those about access; `SHRINK=0` only counts. */
const text = process.env['SEEDS'] ?? '1-20';
const [first = 1, last = first] = text.split('-').map(Number);
const seeds = text.includes(',') ? text.split(',').map(Number) : Array.from({ length: last - first + 1 }, (_none, i) => first + i);
const result = await search(seeds, {
  shrink: process.env['SHRINK'] !== '0',
  say: (line) => console.error(line),
  generate: process.env['SCENES'] === 'policy' ? generatePolicyScene : generateScene,
});
for (const { seed, scene, differs } of result.found) {
  console.log(`---- seed ${seed}\n${JSON.stringify({ manager: scene.manager, routes: scene.routes })}`);
  for (const one of scene.asks) console.log(`ask ${JSON.stringify(one)}`);
  for (const [path, [envoy, xebec]] of Object.entries(differs))
    console.log(`  ${path}: envoy ${JSON.stringify(envoy)} xebec ${JSON.stringify(xebec)}`);
}
for (const [kind, count] of [...result.counts].sort((a, b) => b[1] - a[1])) console.log(`${count} × ${kind}`);
console.log(
  `compared ${result.compared}, equal ${result.equal} (${((100 * result.equal) / result.compared).toFixed(2)} %), refused by both: ${result.refused}, kinds of differences: ${result.found.length}`,
);
