/**
 * `npm run bench [-- name… [argument…]]`: runs benchmarks one after the other. What follows the first names that are benchmarks goes to
 * the last of them: `npm run bench -- proxy h1 --seconds 5`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { own } from './src/child-process.ts';

const here = import.meta.dirname;
const known = readdirSync(here).filter((name) => existsSync(join(here, name, `${name}.ts`)));
const given = process.argv.slice(2);
const firstArgument = given.findIndex((name) => !known.includes(name));
const wanted = firstArgument < 0 ? given : given.slice(0, firstArgument);
const more = firstArgument < 0 ? [] : given.slice(firstArgument);
if (wanted.length === 0 && more.length > 0) {
  console.error(`no benchmark ${more[0]}; there are: ${known.join(', ')}`);
  process.exit(64);
}
let failed = 0;
const names = wanted.length === 0 ? known : wanted;
for (const [i, name] of names.entries()) {
  console.error(`== ${name}`);
  const args = i === names.length - 1 ? more : [];
  const child = own(spawn(process.execPath, [join(here, name, `${name}.ts`), ...args], { stdio: 'inherit' }));
  const [status] = await once(child, 'exit');
  if (status !== 0) failed++;
}
process.exitCode = failed === 0 ? 0 : 1;
