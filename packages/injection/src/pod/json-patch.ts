import type { Pod } from './pod.ts';

/** One operation of RFC 6902. */
export type JsonPatchOperation =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };

/** Operations that turn the metadata and spec fields of `before` into those of `after`, whole fields at a time. */
export function patchFields(before: Pod, after: Pod): JsonPatchOperation[] {
  const out: JsonPatchOperation[] = [];
  for (const part of ['metadata', 'spec'] as const) {
    const target = after[part];
    if (target === undefined) continue;
    const source = before[part];
    if (source === undefined) {
      out.push({ op: 'add', path: `/${part}`, value: target });
      continue;
    }
    for (const [field, value] of Object.entries(target)) {
      if (value === undefined) continue;
      const old = source[field];
      if (old !== undefined && JSON.stringify(old) === JSON.stringify(value)) continue;
      out.push({ op: old === undefined ? 'add' : 'replace', path: `/${part}/${field}`, value });
    }
  }
  return out;
}
