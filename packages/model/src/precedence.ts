import type { ConfigObject } from '@xebec/schemas';

/** Oldest first; objects of unknown age come last; names, then namespaces, decide between equals. */
export function byAge(a: ConfigObject, b: ConfigObject): number {
  const left = a.metadata;
  const right = b.metadata;
  if (left.creationTimestamp !== right.creationTimestamp) {
    if (left.creationTimestamp === '') return 1;
    if (right.creationTimestamp === '') return -1;
    return left.creationTimestamp < right.creationTimestamp ? -1 : 1;
  }
  if (left.name !== right.name) return left.name < right.name ? -1 : 1;
  return left.namespace < right.namespace ? -1 : left.namespace > right.namespace ? 1 : 0;
}
