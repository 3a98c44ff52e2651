import { createHash } from 'node:crypto';

/** What one trust domain's certificates and tokens are judged by. */
export interface DomainTrust {
  readonly trustDomain: string;
  /** PEM, one root each, without duplicates. */
  readonly roots: readonly string[];
  /** A JWKS as JSON, empty when the domain has no keys for JWT-SVIDs. */
  readonly jwtKeys: string;
}

/** Everything that a workload trusts at one moment; a new object for each change. */
export interface TrustSnapshot {
  /** Of the trust stream; 0 when the roots came otherwise (the CA's answer, a file, PCDS). */
  readonly bundleVersion: bigint;
  /** The workload's own trust domain first. */
  readonly domains: readonly DomainTrust[];
  /** PEM of certificate revocation lists. */
  readonly crls: readonly string[];
}

/** Where trust comes from. Sources are joined: a root is trusted when any source that is still there names it. */
export type TrustSource = 'ca-answer' | 'trust-stream' | 'pcds' | 'file';

export interface TrustStore {
  /** Undefined before the first source has spoken. */
  current(): TrustSnapshot | undefined;
  /** Replaces what that source says. Tells subscribers only of a change. */
  set(source: TrustSource, snapshot: TrustSnapshot): void;
  /** Forgets a source that speaks no longer: what it alone said is trusted no more. */
  clear(source: TrustSource): void;
  /** Calls back on each change; returns the unsubscriber. */
  subscribe(listener: (snapshot: TrustSnapshot) => void): () => void;
}

/** Joins the sources; the trust stream's bundle, once there, is the word of the CA and replaces what the CA's first answer said. */
export function createTrustStore(): TrustStore {
  const sources = new Map<TrustSource, TrustSnapshot>();
  const listeners = new Set<(snapshot: TrustSnapshot) => void>();
  let current: TrustSnapshot | undefined;
  let fingerprint = '';
  const changed = () => {
    const joined = join(sources);
    const text = createHash('sha256')
      .update(JSON.stringify([joined.bundleVersion.toString(), joined.domains, joined.crls]))
      .digest('hex');
    if (text === fingerprint) return;
    fingerprint = text;
    current = joined;
    for (const listener of [...listeners]) listener(joined);
  };
  return {
    current: () => current,
    set(source, snapshot) {
      // The stream's word ends what answers before it said. An answer after it is newer: an agent that was cut off the stream must trust
      // what its own new certificate comes from, or a rotation could pass it by.
      if (source === 'trust-stream') sources.delete('ca-answer');
      sources.set(source, snapshot);
      changed();
    },
    clear(source) {
      if (!sources.delete(source)) return;
      if (sources.size > 0) changed();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/** Roots of the workload's own trust domain, PEM; empty before the first source has spoken. */
export function ownRoots(store: TrustStore): readonly string[] {
  return store.current()?.domains[0]?.roots ?? [];
}

/** Every certificate of a PEM text by itself: what a CA's answer or a file brings, for one trust domain. */
export function trustOf(trustDomain: string, pem: string, crls: readonly string[] = []): TrustSnapshot {
  const roots = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  return { bundleVersion: 0n, domains: [{ trustDomain, roots: [...new Set(roots.map((root) => `${root}\n`))], jwtKeys: '' }], crls };
}

function join(sources: ReadonlyMap<TrustSource, TrustSnapshot>): TrustSnapshot {
  const heard = [...sources.values()];
  const domains = new Map<string, DomainTrust>();
  for (const domain of heard.flatMap((snapshot) => snapshot.domains)) {
    const known = domains.get(domain.trustDomain);
    const roots = [...new Set([...(known?.roots ?? []), ...domain.roots].map((pem) => `${pem.trim()}\n`))];
    const jwtKeys = domain.jwtKeys === '' ? (known?.jwtKeys ?? '') : domain.jwtKeys;
    domains.set(domain.trustDomain, { trustDomain: domain.trustDomain, roots, jwtKeys });
  }
  return {
    bundleVersion: sources.get('trust-stream')?.bundleVersion ?? 0n,
    domains: [...domains.values()],
    crls: [...new Set(heard.flatMap((snapshot) => snapshot.crls))],
  };
}
