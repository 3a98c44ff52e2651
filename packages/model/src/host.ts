/**
 * The fully qualified form of a host as Istio reads it: a name without a dot belongs to the namespace of the object that
 * names it; anything with a dot, and any wildcard, stands as written.
 */
export function resolveHost(host: string, namespace: string, domain: string): string {
  if (host === '' || host.includes('*') || host.includes('.') || host.includes('/')) return host;
  return `${host}.${namespace}.svc.${domain}`;
}

/** Whether `pattern` (`*`, `*.example.com` or a full name) covers `host`, which may itself be a wildcard. */
export function hostCovers(pattern: string, host: string): boolean {
  if (pattern === '*' || pattern === host) return true;
  if (!pattern.startsWith('*')) return false;
  const suffix = pattern.slice(1);
  const bare = host.startsWith('*') ? host.slice(1) : host;
  return host.startsWith('*') ? bare.endsWith(suffix) : bare.length > suffix.length && bare.endsWith(suffix);
}

/** Whether two hosts, either of which may be a wildcard, have a name in common. */
export function hostsOverlap(a: string, b: string): boolean {
  return hostCovers(a, b) || hostCovers(b, a);
}

/** The narrower of two hosts that overlap, or undefined when they do not. */
export function intersectHosts(a: string, b: string): string | undefined {
  if (hostCovers(a, b)) return b;
  if (hostCovers(b, a)) return a;
  return undefined;
}

/** Sorts exact names before wildcards, longer wildcards before shorter, `*` last; then by text. */
export function compareHosts(a: string, b: string): number {
  const wildA = a.startsWith('*');
  const wildB = b.startsWith('*');
  if (wildA !== wildB) return wildA ? 1 : -1;
  if (wildA && a.length !== b.length) return b.length - a.length;
  return a < b ? -1 : a > b ? 1 : 0;
}
