import type { HttpSettings } from './http-settings.ts';

export type NormalizedPath =
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'redirect'; readonly path: string }
  | { readonly kind: 'reject'; readonly path: string };

type PathSettings = Pick<HttpSettings, 'normalizePath' | 'mergeSlashes' | 'escapedSlashes'>;

const escapedSlash = /%(2f|5c)/i;
/** A path that cannot change: no dot segments, back-slashes, escapes or double slashes before the query. */
const plain = /^(?:\/(?!\.|\/)[^%\\?#./]*(?:\.(?!\/|$)[^%\\?#./]*)*)*\/?(?:\?.*)?$/;

/** Whether a path, as most do, stays as it is. */
export function isNormalPath(whole: string, settings: PathSettings): boolean {
  if (!settings.normalizePath && !settings.mergeSlashes && settings.escapedSlashes === 'keep') return true;
  return plain.test(whole);
}

/** Applies normalize_path, merge_slashes and path_with_escaped_slashes_action (RFC 3986 section 6.2.2, the part Envoy does). */
export function normalizePath(whole: string, settings: PathSettings): NormalizedPath {
  if (isNormalPath(whole, settings)) return { kind: 'path', path: whole };
  const query = whole.search(/[?#]/);
  let path = query === -1 ? whole : whole.slice(0, query);
  const rest = query === -1 ? '' : whole.slice(query);
  let redirect = false;
  if (settings.escapedSlashes !== 'keep' && escapedSlash.test(path)) {
    redirect = settings.escapedSlashes === 'redirect';
    path = path.replace(/%2f/gi, '/').replace(/%5c/gi, '\\');
    if (settings.escapedSlashes === 'reject') return { kind: 'reject', path: path + rest };
  }
  if (settings.normalizePath) {
    const normalized = normalize(path);
    if (normalized === undefined) return { kind: 'reject', path: path + rest };
    path = normalized;
  }
  // Envoy puts first and last slash back around what is between: of nothing but slashes two stay.
  if (settings.mergeSlashes) path = /^\/{2,}$/.test(path) ? '//' : path.replace(/\/{2,}/g, '/');
  return { kind: redirect ? 'redirect' : 'path', path: path + rest };
}

/** Unreserved characters are unescaped, back-slashes become slashes, dot segments go. Undefined for a NUL. */
function normalize(path: string): string | undefined {
  if (/%00/.test(path)) return undefined;
  const unescaped = path
    .replace(/%([0-9a-f]{2})/gi, (escaped, hex: string) => {
      const char = String.fromCharCode(Number.parseInt(hex, 16));
      return /[A-Za-z0-9\-._~]/.test(char) ? char : escaped;
    })
    .replaceAll('\\', '/');
  const output: string[] = [];
  const segments = unescaped.split('/').slice(1);
  for (const [index, segment] of segments.entries()) {
    const last = index === segments.length - 1;
    if (segment === '..') output.pop();
    else if (segment !== '.') {
      output.push(segment);
      continue;
    }
    if (last) output.push('');
  }
  return `/${output.join('/')}`;
}
