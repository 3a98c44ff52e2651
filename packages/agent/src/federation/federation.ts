import { type Clock, type Logger, type Random, XebecError } from '@xebec/core';
import {
  type BundleDocument,
  type BundleFollower,
  type Certificate,
  followBundle,
  type JwtKey,
  parseCertificates,
  parseTrustDomain,
} from '@xebec/identity';
import { checkBundleUrl, type EndpointProfile, fetchBundle } from './fetch-bundle.ts';

/** Who vouches for trust domains: roots that stand in the configuration, or a bundle endpoint. As in MeshConfig `caCertificates`. */
export interface TrustAuthority {
  /** Empty: the mesh's own, as in Istio. */
  readonly trustDomains: readonly string[];
  readonly source:
    | { readonly kind: 'pem'; readonly pem: string }
    | { readonly kind: 'endpoint'; readonly url: string; readonly profile: EndpointProfile };
}

/** What may prove identities of one trust domain beside what the mesh's own CA says. */
export interface FederatedBundle {
  readonly trustDomain: string;
  readonly roots: readonly Certificate[];
  readonly jwtKeys: readonly JwtKey[];
}

export interface Federation {
  /** Replaces the authorities; endpoints that stay keep what they have brought. What is wrong with one is logged and leaves the others. */
  set(authorities: readonly TrustAuthority[]): void;
  /** One for each trust domain, in the order of their names. */
  bundles(): readonly FederatedBundle[];
  /** The last good document of each endpoint, to be kept for the next run. */
  documents(): Readonly<Record<string, string>>;
  subscribe(listener: () => void): () => void;
  close(): void;
}

export interface FederationOptions {
  readonly trustDomain: string;
  /** Documents of the run before by URL. */
  readonly documents?: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

interface Followed {
  readonly follower: BundleFollower;
  readonly unsubscribe: () => void;
}

const MAX_AUTHORITIES = 64;

/** Follows the bundles of other trust domains. Each domain's identities are judged by its own bundle alone. */
export function createFederation(options: FederationOptions): Federation {
  const { clock, random, logger } = options;
  const listeners = new Set<() => void>();
  const followed = new Map<string, Followed>();
  let authorities: readonly TrustAuthority[] = [];
  const tell = () => {
    for (const listener of [...listeners]) listener();
  };
  const start = (key: string, url: string, profile: EndpointProfile): Followed => {
    const target = checkBundleUrl(url);
    const initial = options.documents?.[key];
    const follower = followBundle({
      name: target.href,
      fetch: (known, signal) => fetchBundle(target, profile, known, signal),
      ...(initial === undefined ? {} : { initial }),
      clock,
      random,
      logger,
    });
    return { follower, unsubscribe: follower.subscribe(tell) };
  };
  const stop = (key: string) => {
    const each = followed.get(key);
    each?.unsubscribe();
    each?.follower.close();
    followed.delete(key);
  };
  const rootsOf = ({ source }: TrustAuthority): Pick<BundleDocument, 'roots' | 'jwtKeys'> => {
    if (source.kind === 'endpoint')
      return followed.get(endpointKey(source.url, source.profile))?.follower.current() ?? { roots: [], jwtKeys: [] };
    const roots = parseCertificates(source.pem);
    return { roots: roots.ok ? roots.value : [], jwtKeys: [] };
  };
  return {
    set(next) {
      authorities = next.filter((authority) => accepted(authority, logger)).slice(0, MAX_AUTHORITIES);
      if (next.length > MAX_AUTHORITIES)
        logger.warn({ code: 'E_BUNDLE_ENDPOINT' }, `${next.length} authorities are configured, only the first ${MAX_AUTHORITIES} count`);
      const wanted = new Set<string>();
      for (const { source } of authorities) {
        if (source.kind !== 'endpoint') continue;
        const key = endpointKey(source.url, source.profile);
        wanted.add(key);
        if (!followed.has(key)) followed.set(key, start(key, source.url, source.profile));
      }
      for (const key of [...followed.keys()]) if (!wanted.has(key)) stop(key);
      tell();
    },
    bundles() {
      const byDomain = new Map<string, { roots: Map<string, Certificate>; jwtKeys: Map<string, JwtKey> }>();
      for (const authority of authorities) {
        const { roots, jwtKeys } = rootsOf(authority);
        for (const domain of authority.trustDomains.length === 0 ? [options.trustDomain] : authority.trustDomains) {
          const known = byDomain.get(domain) ?? { roots: new Map(), jwtKeys: new Map() };
          for (const root of roots) known.roots.set(Buffer.from(root.der).toString('base64'), root);
          for (const key of jwtKeys) known.jwtKeys.set(key.kid, key);
          byDomain.set(domain, known);
        }
      }
      return [...byDomain]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([trustDomain, { roots, jwtKeys }]) => ({ trustDomain, roots: [...roots.values()], jwtKeys: [...jwtKeys.values()] }));
    },
    documents: () =>
      Object.fromEntries(
        [...followed].flatMap(([key, { follower }]) => {
          const text = follower.text();
          return text === undefined ? [] : [[key, text] as const];
        }),
      ),
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close() {
      for (const key of [...followed.keys()]) stop(key);
      listeners.clear();
    },
  };
}

/** Two ways to ask one URL do not share what they have learned. */
function endpointKey(url: string, profile: EndpointProfile): string {
  return profile.kind === 'https_web' ? url : `${profile.spiffeId} ${url}`;
}

function accepted({ trustDomains, source }: TrustAuthority, logger: Logger): boolean {
  try {
    for (const domain of trustDomains) {
      const parsed = parseTrustDomain(domain);
      if (!parsed.ok) throw new XebecError(parsed.error.code, parsed.error.message);
    }
    if (source.kind === 'endpoint') checkBundleUrl(source.url);
    else {
      const roots = parseCertificates(source.pem);
      if (!roots.ok) throw new XebecError(roots.error.code, roots.error.message);
      if (roots.value.some(({ extensions }) => extensions.basicConstraints?.ca !== true))
        throw new XebecError('E_BUNDLE', "a certificate of caCertificates is no CA's");
    }
    return true;
  } catch (error) {
    const { code, message } = error instanceof XebecError ? error : new XebecError('E_BUNDLE_ENDPOINT', String(error));
    logger.warn({ code, trustDomains }, `an authority of other trust domains is passed over: ${message}`);
    return false;
  }
}

/** The authorities of MeshConfig `caCertificates`; what has neither form is passed over. */
export function authoritiesOfMesh(
  caCertificates: readonly {
    readonly pem?: unknown;
    readonly spiffeBundleUrl?: unknown;
    readonly trustDomains?: readonly string[] | undefined;
  }[],
  caPem?: string,
): TrustAuthority[] {
  return caCertificates.flatMap(({ pem, spiffeBundleUrl, trustDomains = [] }): TrustAuthority[] => {
    if (typeof pem === 'string' && pem !== '') return [{ trustDomains, source: { kind: 'pem', pem } }];
    if (typeof spiffeBundleUrl !== 'string' || spiffeBundleUrl === '') return [];
    const profile: EndpointProfile = { kind: 'https_web', ...(caPem === undefined ? {} : { caPem }) };
    return [{ trustDomains, source: { kind: 'endpoint', url: spiffeBundleUrl, profile } }];
  });
}
