import type { JsonObject } from '@bufbuild/protobuf';
import { merge } from './json.ts';
import type { Patch } from './patches.ts';

/**
 * Applies a patch to a list of named things. `matches` tells which element the patch speaks of; a patch that names none
 * (`anchored` false) inserts at the ends.
 */
export function patchList(list: JsonObject[], patch: Patch, matches: (element: JsonObject) => boolean, anchored: boolean): JsonObject[] {
  const at = anchored ? list.findIndex(matches) : -1;
  switch (patch.operation) {
    case 'MERGE':
    case 'MERGE_AND_REPLACE_LIST':
      return list.map((element) => (matches(element) ? merge(element, patch.value) : element));
    case 'REPLACE':
      return list.map((element) => (anchored && matches(element) ? patch.value : element));
    case 'REMOVE':
      return list.filter((element) => !matches(element));
    case 'ADD':
      return [...list, patch.value];
    case 'INSERT_FIRST':
      return [patch.value, ...list];
    case 'INSERT_BEFORE':
      if (!anchored) return [patch.value, ...list];
      return at < 0 ? list : [...list.slice(0, at), patch.value, ...list.slice(at)];
    case 'INSERT_AFTER':
      if (!anchored) return [...list, patch.value];
      return at < 0 ? list : [...list.slice(0, at + 1), patch.value, ...list.slice(at + 1)];
    case 'INVALID':
      return list;
  }
}
