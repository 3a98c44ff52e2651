/** Writes deploy/dashboards/*.json. `tools/src/dashboards/dashboards.spec.ts` compares. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dashboardFiles } from './src/dashboards/index.ts';

const out = join(import.meta.dirname, '../deploy/dashboards');
for (const [name, text] of dashboardFiles()) writeFileSync(join(out, name), text);
