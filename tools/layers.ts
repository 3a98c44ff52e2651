/** Fails when a package imports upwards, sideways, undeclared, or behind another package's exports. */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { importsOf, type LayeredPackage, layerViolations } from './src/layers.ts';

const root = join(import.meta.dirname, '..');

function readPackage(manifestPath: string): LayeredPackage {
  const manifest = JSON.parse(readFileSync(join(root, manifestPath), 'utf8'));
  const folder = dirname(manifestPath);
  if (typeof manifest.xebec?.layer !== 'number')
    throw new Error(`${manifestPath}: "xebec.layer" is missing; see ARCHITECTURE.md for the layers`);
  return {
    name: manifest.name,
    layer: manifest.xebec.layer,
    dependencies: new Set(Object.keys(manifest.dependencies ?? {})),
    devDependencies: new Set(Object.keys(manifest.devDependencies ?? {})),
    files: globSync(['src/**/*.ts', 'bin/**/*.ts'], { cwd: join(root, folder) })
      .map((file) => join(root, folder, file))
      .sort()
      .map((file) => ({ path: relative(root, file), imports: importsOf(readFileSync(file, 'utf8')) })),
  };
}

const packages = globSync(['packages/*/package.json', 'apps/*/package.json', 'apps/bookinfo/*/package.json', 'tools/package.json'], {
  cwd: root,
})
  .sort()
  .map(readPackage);
const violations = layerViolations(packages);
for (const violation of violations) console.error(violation);
console.log(`layers: ${packages.length} packages, ${violations.length} violations`);
process.exitCode = violations.length === 0 ? 0 : 1;
