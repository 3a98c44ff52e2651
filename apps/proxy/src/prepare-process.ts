import { existsSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { boundYoungGeneration } from './young-generation.ts';

/** What a process of the data plane does before it imports anything large: bounds its memory, finds what was compiled before. */
export function prepareProcess(): void {
  boundYoungGeneration();
  // What the install step compiled, when it is there: a compiler that need not run leaves its memory to the proxy.
  const compiled = join(import.meta.dirname, '../../../node_modules/.cache/xebec/compile');
  enableCompileCache(process.env['NODE_COMPILE_CACHE'] === undefined && existsSync(compiled) ? compiled : undefined);
  // That node:ffi is experimental is for us to know, not for every log.
  process.removeAllListeners('warning');
  process.on('warning', (warning) => {
    if (warning.name !== 'ExperimentalWarning') process.stderr.write(`${warning.name}: ${warning.message}\n`);
  });
}
