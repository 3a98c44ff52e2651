import { createRequire } from 'node:module';
import type { DescEnum, DescMessage, Registry } from '@bufbuild/protobuf';
import { files } from '../gen/types.js';

type Desc = DescMessage | DescEnum;

/**
 * A registry of every message and enum Xebec has generated code for: what protobuf JSON of `google.protobuf.Any` needs.
 * Files are loaded when a type of theirs is first asked for: all of them together cost 0.3 s of CPU, and a proxy that starts
 * needs a few.
 */
export function createProtoRegistry(): Registry {
  const load = createRequire(import.meta.url);
  const found = new Map<string, Desc | undefined>();
  const get = (typeName: string): Desc | undefined => {
    if (found.has(typeName)) return found.get(typeName);
    const file = Object.hasOwn(files, typeName) ? files[typeName] : undefined;
    const place = file !== undefined ? `../gen/${file}` : typeName.startsWith('google.protobuf.') ? '@bufbuild/protobuf/wkt' : undefined;
    const desc =
      place === undefined ? undefined : Object.values<unknown>(load(place)).find((value) => isDesc(value) && value.typeName === typeName);
    found.set(typeName, isDesc(desc) ? desc : undefined);
    return found.get(typeName);
  };
  return {
    kind: 'registry',
    get,
    getMessage: (typeName) => {
      const desc = get(typeName);
      return desc?.kind === 'message' ? desc : undefined;
    },
    getEnum: (typeName) => {
      const desc = get(typeName);
      return desc?.kind === 'enum' ? desc : undefined;
    },
    getExtension: () => undefined,
    getExtensionFor: () => undefined,
    getService: () => undefined,
    *[Symbol.iterator]() {
      for (const typeName of Object.keys(files)) {
        const desc = get(typeName);
        if (desc !== undefined) yield desc;
      }
    },
  };
}

function isDesc(value: unknown): value is Desc {
  return (
    typeof value === 'object' &&
    value !== null &&
    'kind' in value &&
    'typeName' in value &&
    (value.kind === 'message' || value.kind === 'enum')
  );
}
