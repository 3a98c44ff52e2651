/** Whether two lists hold the same values in the same order. */
export function sameList(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) if (!Object.is(a[index], b[index])) return false;
  return true;
}

/** Whether two maps hold the same values under the same keys in the same order. */
export function sameEntries(a: ReadonlyMap<unknown, unknown>, b: ReadonlyMap<unknown, unknown>): boolean {
  if (a === b) return true;
  return a.size === b.size && sameList([...a.keys()], [...b.keys()]) && sameList([...a.values()], [...b.values()]);
}
