import type { Patch } from './patches.ts';

/** An element of a list that a patch may name. */
interface ListView<T> {
  /** The value of the patch, a new one for each place. */
  readonly value: () => T | undefined;
  /** Whether the patch names an element at all: without, it inserts at the ends and changes nothing that is there. */
  readonly anchored: boolean;
  matches(element: T): boolean;
}

/** A list after the operations that add, remove or replace elements. Only the first match counts. MERGE is not for lists. */
export function patchList<T>(list: readonly T[], operation: Patch['operation'], { value, anchored, matches }: ListView<T>): T[] {
  const at = anchored ? list.findIndex(matches) : -1;
  const put = (index: number, drop = 0): T[] => {
    const element = value();
    return element === undefined ? [...list] : [...list.slice(0, index), element, ...list.slice(index + drop)];
  };
  switch (operation) {
    case 'ADD':
      return put(list.length);
    case 'INSERT_FIRST':
      return put(0);
    case 'INSERT_BEFORE':
      return anchored ? (at < 0 ? [...list] : put(at)) : put(0);
    case 'INSERT_AFTER':
      return anchored ? (at < 0 ? [...list] : put(at + 1)) : put(list.length);
    case 'REPLACE':
      return at < 0 ? [...list] : put(at, 1);
    case 'REMOVE':
      return anchored ? list.filter((element) => !matches(element)) : [...list];
    default:
      return [...list];
  }
}
