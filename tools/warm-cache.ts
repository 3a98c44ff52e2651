/**
 * Compiles what the processes of the mesh load, into the cache that `xebec up` uses: without it the first start of the demo
 * spends most of its time in the compiler. Runs after `npm install`; a failure costs nothing but that time.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const cache = process.env['NODE_COMPILE_CACHE'] ?? join(root, 'node_modules/.cache/xebec/compile');
const AT_ONCE = 2;

/** Every process that a mesh starts, with arguments that load its code and end. */
const commands: readonly (readonly string[])[] = [
  ['apps/platform/bin/xebec-apiserver.ts', '--help'],
  ['apps/platform/bin/xebec-node.ts', '--help'],
  ['apps/pilot/bin/xebec-pilot.ts', '--help'],
  ['apps/citadel/bin/xebec-citadel.ts', '--help'],
  ['apps/galley/bin/xebec-galley.ts', '--help'],
  ['apps/mixer/bin/xebec-mixer.ts', '--help'],
  ['apps/proxy/bin/xebec-proxy.ts', 'sidecar', '--help'],
  ['apps/gateway/bin/xebec-gateway.ts', '--help'],
  ['apps/cli/bin/xebec.ts', '--help'],
];

async function run([script = '', ...args]: readonly string[]): Promise<void> {
  const file = join(root, script);
  if (!existsSync(file)) return;
  const child = spawn(process.execPath, [file, ...args], { stdio: 'ignore', env: { ...process.env, NODE_COMPILE_CACHE: cache } });
  await once(child, 'exit');
}

mkdirSync(cache, { recursive: true });
const waiting = [...commands];
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    for (let command = waiting.shift(); command !== undefined; command = waiting.shift()) await run(command).catch(() => undefined);
  }),
);
