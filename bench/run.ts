/** `npm run bench [-- name…]`: runs benchmarks one after the other; each prints a line of JSON and a table. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const here = import.meta.dirname;
const known = readdirSync(here).filter((name) => existsSync(join(here, name, `${name}.ts`)));
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  console.error(`no benchmark ${unknown.join(', ')}; there are: ${known.join(', ')}`);
  process.exit(64);
}
let failed = 0;
for (const name of wanted.length === 0 ? known : wanted) {
  console.log(`== ${name}`);
  const { status } = spawnSync(process.execPath, [join(here, name, `${name}.ts`)], { stdio: 'inherit' });
  if (status !== 0) failed++;
}
process.exitCode = failed === 0 ? 0 : 1;
