/**
 * Whether something in `owner` that is exported to `exportTo` is seen from `viewer`.
 * `*` beats everything else in the list, then `~` hides it even from its own namespace.
 */
export function isVisible(exportTo: readonly string[] | undefined, owner: string, viewer: string, fallback: readonly string[]): boolean {
  const list = exportTo === undefined || exportTo.length === 0 ? fallback : exportTo;
  if (list.includes('*')) return true;
  if (list.includes('~')) return false;
  return list.some((entry) => (entry === '.' ? owner === viewer : entry === viewer));
}
