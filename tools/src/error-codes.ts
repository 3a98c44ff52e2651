/** Codes in a source text: whole string literals such as `'E_FLAG'`. */
export function codesInSource(source: string): string[] {
  return [...new Set([...source.matchAll(/'(E_[A-Z0-9_]+)'/g)].flatMap((match) => match[1] ?? []))];
}

/** One row of `docs/reference/errors.md`. */
export interface DocumentedCode {
  readonly code: string;
  /** Folders that the page says raise it, such as `packages/daemon`. */
  readonly folders: readonly string[];
}

/** Rows of the page's tables: `` | `E_FLAG` | daemon, apps/pilot | … | … | ``. Folders without a slash are below `packages/`. */
export function codesInPage(page: string): DocumentedCode[] {
  return [...page.matchAll(/^\| `(E_[A-Z0-9_]+)` \| ([^|]+) \|/gm)].map((match) => ({
    code: match[1] ?? '',
    folders: (match[2] ?? '').split(',').map((name) => (name.trim().includes('/') ? name.trim() : `packages/${name.trim()}`)),
  }));
}
