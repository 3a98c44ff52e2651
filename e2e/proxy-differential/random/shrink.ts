type Path = readonly (string | number)[];

/** A value like `value` without what lies at `paths`. */
export function without(value: unknown, paths: readonly Path[]): unknown {
  const gone = new Set(paths.map((path) => JSON.stringify(path)));
  const walk = (node: unknown, at: Path): unknown => {
    if (Array.isArray(node)) {
      const items: readonly unknown[] = node;
      return items.flatMap((item, i) => (gone.has(JSON.stringify([...at, i])) ? [] : [walk(item, [...at, i])]));
    }
    if (typeof node !== 'object' || node === null) return node;
    return Object.fromEntries(
      Object.entries(node).flatMap(([key, inner]) => (gone.has(JSON.stringify([...at, key])) ? [] : [[key, walk(inner, [...at, key])]])),
    );
  };
  return walk(value, []);
}

/** Every place in a value that could be left out, those that hold most first. */
export function removablePaths(value: unknown): Path[] {
  const found: { readonly path: Path; readonly size: number }[] = [];
  const walk = (node: unknown, at: Path): void => {
    if (at.length > 0) found.push({ path: at, size: JSON.stringify(node)?.length ?? 0 });
    if (Array.isArray(node)) {
      const items: readonly unknown[] = node;
      // A pair of strings is one header field.
      if (items.length === 2 && items.every((item) => typeof item === 'string') && Array.isArray(value) === false) return;
      for (const [i, item] of items.entries()) walk(item, [...at, i]);
    } else if (typeof node === 'object' && node !== null) for (const [key, inner] of Object.entries(node)) walk(inner, [...at, key]);
  };
  walk(value, []);
  return found.sort((a, b) => b.size - a.size).map(({ path }) => path);
}
