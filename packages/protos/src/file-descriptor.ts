import type { DescFile } from '@bufbuild/protobuf';
import { fileDesc as libraryFileDesc } from '@bufbuild/protobuf/codegenv2';

/**
 * The descriptor of a generated file, as protobuf-es' own `fileDesc` makes it. That one enters the types of all that an import
 * imports in turn, once for every path that leads there: for Envoy's API a third of the CPU which a process of ours takes to start. A file
 * names only what its imports declare or hand on by `import public`, so the imports are shown without what lies behind them.
 */
export function fileDesc(base64: string, imports: readonly DescFile[] = []): DescFile {
  const file = libraryFileDesc(base64, imports.map(alone));
  return Object.assign(file, { dependencies: [...imports] });
}

function alone(file: DescFile): DescFile {
  const handedOn = file.proto.publicDependency.flatMap((index) => file.dependencies[index] ?? []);
  return { ...file, dependencies: handedOn.map(alone) };
}
