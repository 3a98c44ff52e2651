/** Trust domain that policies write for "the mesh's own", whatever it is. */
const OWN = 'cluster.local';

/**
 * Principals `trust-domain/ns/n/sa/s` whose domain is one of the mesh's, each written for all domains of the mesh: a workload
 * keeps its rights while the mesh moves from one domain to another.
 */
export function migratePrincipals(principals: readonly string[], trustDomains: readonly string[]): string[] {
  return principals.flatMap((principal) => {
    const parts = principal.split('/');
    const [domain = ''] = parts;
    if (parts.length !== 5 || domain === '*') return [principal];
    if (domain !== OWN && !trustDomains.some((known) => overlaps(domain, known))) return [principal];
    const rest = parts.slice(1).join('/');
    return [...new Set(trustDomains.map((known) => (hasSuffix(known, domain) ? principal : `${known}/${rest}`)))];
  });
}

/** Domains of the mesh stand for all of its domains. */
export function expandTrustDomains(values: readonly string[], trustDomains: readonly string[]): string[] {
  return [...new Set(values.flatMap((value) => (trustDomains.includes(value) ? trustDomains : [value])))];
}

/** Whether two domains, either of which may begin or end with `*`, have one in common. */
function overlaps(a: string, b: string): boolean {
  return a === b || a === '*' || b === '*' || hasPrefix(a, b) || hasPrefix(b, a) || hasSuffix(a, b) || hasSuffix(b, a);
}

function hasPrefix(text: string, pattern: string): boolean {
  return pattern.endsWith('*') && text.startsWith(pattern.slice(0, -1));
}

function hasSuffix(text: string, pattern: string): boolean {
  return pattern.startsWith('*') && text.endsWith(pattern.slice(1));
}
