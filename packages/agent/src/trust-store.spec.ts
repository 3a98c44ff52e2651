import { describe, expect, it } from 'vitest';
import { createTrustStore, type TrustSnapshot } from './trust-store.ts';

function snapshot(bundleVersion: bigint, roots: Readonly<Record<string, readonly string[]>>): TrustSnapshot {
  const domains = Object.entries(roots).map(([trustDomain, pems]) => ({ trustDomain, roots: pems, jwtKeys: '' }));
  return { bundleVersion, domains, crls: [] };
}

describe('the trust store', () => {
  it('joins the roots of its sources without doubles, and tells of changes only', () => {
    const store = createTrustStore();
    const heard: (readonly string[])[] = [];
    store.subscribe(({ domains }) => heard.push(domains.map((domain) => `${domain.trustDomain}: ${domain.roots.join('')}`)));
    store.set('file', snapshot(0n, { 'cluster.local': ['a'] }));
    store.set('pcds', snapshot(0n, { 'cluster.local': ['a\n', 'b'], 'other.example': ['c'] }));
    store.set('pcds', snapshot(0n, { 'cluster.local': ['a\n', 'b'], 'other.example': ['c'] }));
    expect(heard).toEqual([['cluster.local: a\n'], ['cluster.local: a\nb\n', 'other.example: c\n']]);
  });

  it("lets the trust stream retire a root that the CA's first answer still named", () => {
    const store = createTrustStore();
    store.set('ca-answer', snapshot(0n, { 'cluster.local': ['old'] }));
    store.set('trust-stream', snapshot(7n, { 'cluster.local': ['new'] }));
    expect(store.current()).toMatchObject({ bundleVersion: 7n, domains: [{ roots: ['new\n'] }] });
  });
});
