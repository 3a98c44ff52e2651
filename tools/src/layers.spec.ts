import { describe, expect, it } from 'vitest';
import { importsOf, type LayeredPackage, layerViolations } from './layers.ts';

function pkg(name: string, layer: number, dependencies: string[], imports: string[], path = `packages/${name}/src/a.ts`): LayeredPackage {
  return { name, layer, dependencies: new Set(dependencies), devDependencies: new Set(), files: [{ path, imports }] };
}

describe('layerViolations', () => {
  it('lets a package import declared packages of lower layers', () => {
    expect(layerViolations([pkg('a', 0, [], ['node:fs', './b.ts']), pkg('b', 1, ['a'], ['a'])])).toEqual([]);
  });
  it('refuses the same layer, a higher one, and undeclared imports', () => {
    const found = layerViolations([pkg('a', 1, ['b'], ['b']), pkg('b', 1, [], ['yaml'])]);
    expect(found).toEqual([
      'packages/a/src/a.ts: layer 1 (a) may not import layer 1 (b)',
      'packages/b/src/a.ts: imports yaml, which b/package.json does not declare',
    ]);
  });
  it('refuses relative paths that leave the package', () => {
    expect(layerViolations([pkg('a', 1, [], ['../../b/src/x.ts'])])).toHaveLength(1);
    expect(layerViolations([pkg('a', 1, [], ['../x.ts'], 'packages/a/src/deep/a.ts')])).toEqual([]);
  });
});

it('finds static, re-exported, side-effect and dynamic imports', () => {
  const source = `import a from 'a';\nimport {\n  b,\n} from 'b';\nexport * from './c.ts';\nimport 'd';\nconst e = await import(${"'e'"});`;
  expect(importsOf(source)).toEqual(['a', 'b', './c.ts', 'd', 'e']);
});
