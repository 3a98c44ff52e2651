import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '../../..');

/** Names of metrics as sources spell them, where they are made. */
function metricNames(): string[] {
  const names = new Set<string>();
  for (const app of ['pilot', 'citadel', 'galley', 'mixer']) {
    const folder = join(root, 'apps', app, 'src');
    for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.ts') || file.endsWith('.spec.ts')) continue;
      const source = readFileSync(join(folder, file), 'utf8');
      for (const [, name = ''] of source.matchAll(
        /(?:name: |(?:counter|gauge|histogram|ofMesh)\(\s*)'((?:pilot|citadel|galley|mixer|xds|auto_registration|xebec)_[a-z_]+)'/g,
      ))
        names.add(name);
    }
  }
  return [...names].sort();
}

/** When this fails: give the metric a line in docs/reference/metrics.md. */
it('docs/reference/metrics.md has every metric of the control plane', () => {
  const page = readFileSync(join(root, 'docs/reference/metrics.md'), 'utf8');
  const names = metricNames();
  expect(names.length).toBeGreaterThan(60);
  expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
});
