import { globSync } from 'node:fs';
import { join } from 'node:path';
import type { FuzzTarget } from '@xebec/core';

/** All targets of the repository: what files named `*.fuzz.ts` export as `fuzzTargets`, sorted by name. */
export async function findFuzzTargets(root: string): Promise<FuzzTarget[]> {
  const files = globSync('packages/*/src/**/*.fuzz.ts', { cwd: root });
  const found = await Promise.all(
    files.map(async (file) => {
      const loaded: { readonly fuzzTargets?: readonly FuzzTarget[] } = await import(join(root, file));
      if (loaded.fuzzTargets === undefined) throw new Error(`${file}: exports no "fuzzTargets"`);
      return loaded.fuzzTargets;
    }),
  );
  return found.flat().sort((a, b) => a.name.localeCompare(b.name));
}
