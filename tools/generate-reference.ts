/** Writes the generated pages of docs/reference. `tools/src/reference/reference.spec.ts` compares. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { analysisPage } from './src/reference/analysis.ts';
import { extensionsInCode } from './src/reference/extension-code.ts';
import { filtersPage } from './src/reference/filters.ts';
import { flagsPage } from './src/reference/flags.ts';
import { kindsPage } from './src/reference/kinds.ts';

const root = join(import.meta.dirname, '..');
const out = join(root, 'docs/reference');
writeFileSync(join(out, 'kinds.md'), kindsPage());
writeFileSync(join(out, 'analysis.md'), analysisPage());
writeFileSync(join(out, 'filters.md'), filtersPage(readFileSync(join(root, 'packages/filters/README.md'), 'utf8'), extensionsInCode(root)));
writeFileSync(join(out, 'flags.md'), await flagsPage(root));
