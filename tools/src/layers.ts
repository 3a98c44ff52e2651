/** One workspace package as far as layering cares. */
export interface LayeredPackage {
  readonly name: string;
  readonly layer: number;
  readonly dependencies: ReadonlySet<string>;
  readonly devDependencies: ReadonlySet<string>;
  readonly files: readonly { readonly path: string; readonly imports: readonly string[] }[];
}

const IMPORT =
  /^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]|^\s*import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/gm;

/** Module specifiers that a TypeScript file imports, statically or by literal `import()`. */
export function importsOf(source: string): string[] {
  return [...source.matchAll(IMPORT)].flatMap((match) => match[1] ?? match[2] ?? match[3] ?? []);
}

function packageName(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/**
 * Everything that breaks the house rules: an import from the same or a higher layer, an import that package.json does not
 * declare, a path into another package behind its exports, a package without a layer.
 */
export function layerViolations(packages: readonly LayeredPackage[]): string[] {
  const byName = new Map(packages.map((entry) => [entry.name, entry]));
  return packages.flatMap((owner) =>
    owner.files.flatMap(({ path, imports }) => imports.flatMap((specifier) => violationsOf(owner, path, specifier, byName))),
  );
}

function violationsOf(owner: LayeredPackage, path: string, specifier: string, byName: ReadonlyMap<string, LayeredPackage>): string[] {
  if (specifier.startsWith('node:')) return [];
  if (specifier.startsWith('.')) return leavesPackage(path, specifier) ? [`${path}: "${specifier}" reaches out of ${owner.name}`] : [];
  const name = packageName(specifier);
  if (name === owner.name) return [];
  const isTest = /\.(spec|fuzz)\.ts$|\/testing\//.test(path);
  const found: string[] = [];
  const declared = owner.dependencies.has(name) || (isTest && (owner.devDependencies.has(name) || name === 'vitest'));
  if (!declared && name !== 'vitest') found.push(`${path}: imports ${name}, which ${owner.name}/package.json does not declare`);
  const target = byName.get(name);
  if (target !== undefined && !isTest && target.layer >= owner.layer) {
    found.push(`${path}: layer ${owner.layer} (${owner.name}) may not import layer ${target.layer} (${target.name})`);
  }
  return found;
}

/** `path` is relative to the package, so a relative import that climbs above it leaves the package. */
function leavesPackage(path: string, specifier: string): boolean {
  const inside = path
    .replace(/^.*?(?=(?:src|bin)\/)/, '')
    .split('/')
    .slice(0, -1);
  let depth = inside.length;
  for (const step of specifier.split('/')) {
    if (step === '..') depth--;
    else if (step !== '.') depth++;
    if (depth < 0) return true;
  }
  return false;
}
