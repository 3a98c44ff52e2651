/** Writes the CRDs and the JSON Schemas below `deploy/`; with `--check` it says which are not as they would be written. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { generatedFiles } from './generated-files.ts';

const root = join(import.meta.dirname, '../..');
for (const [path, content] of generatedFiles()) {
  const file = join(root, path);
  if (process.argv.includes('--check')) {
    if (existsSync(file) && readFileSync(file, 'utf8') === content) continue;
    console.error(`${path} is not as the schemas make it: run npm run gen and commit it`);
    process.exitCode = 1;
  } else {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
}
