import { ok, type Result } from '@xebec/core';
import { quoted, type Refusal, refuse } from './refusal.ts';

declare const spiffeIdBrand: unique symbol;
declare const trustDomainBrand: unique symbol;

/** A valid SPIFFE ID as text, such as `spiffe://cluster.local/ns/default/sa/reviews`. */
export type SpiffeId = string & { readonly [spiffeIdBrand]: true };
/** A valid trust domain name, such as `cluster.local`. */
export type TrustDomain = string & { readonly [trustDomainBrand]: true };

export interface SpiffeIdParts {
  readonly id: SpiffeId;
  readonly trustDomain: TrustDomain;
  /** Empty for a trust domain's own ID, otherwise it starts with a slash. */
  readonly path: string;
}

/** Limits of the SPIFFE ID specification, in bytes. */
const MAX_ID_BYTES = 2048;
const MAX_TRUST_DOMAIN_BYTES = 255;
const SCHEME = 'spiffe://';

export function parseTrustDomain(text: string): Result<TrustDomain, Refusal> {
  if (text.length === 0) return refuse('E_TRUST_DOMAIN', 'the trust domain is empty; it wants a name such as cluster.local');
  if (text.length > MAX_TRUST_DOMAIN_BYTES) {
    return refuse('E_TRUST_DOMAIN', `the trust domain has ${text.length} characters, at most ${MAX_TRUST_DOMAIN_BYTES} are allowed`);
  }
  if (!/^[a-z0-9._-]+$/.test(text)) {
    return refuse('E_TRUST_DOMAIN', `the trust domain ${quoted(text)} may hold only a-z, 0-9, dot, dash and underscore`);
  }
  // The brand is earned by the checks above.
  return ok(text as TrustDomain);
}

/** Reads a SPIFFE ID by the rules of the SPIFFE ID specification, section 2; nothing is normalised. */
export function parseSpiffeId(text: string): Result<SpiffeIdParts, Refusal> {
  if (text.length > MAX_ID_BYTES)
    return refuse('E_SPIFFE_ID', `the SPIFFE ID has ${text.length} bytes, at most ${MAX_ID_BYTES} are allowed`);
  if (!text.startsWith(SCHEME)) return refuse('E_SPIFFE_ID', `${quoted(text)} is no SPIFFE ID: it must start with spiffe://`);
  const slash = text.indexOf('/', SCHEME.length);
  const trustDomain = parseTrustDomain(slash === -1 ? text.slice(SCHEME.length) : text.slice(SCHEME.length, slash));
  if (!trustDomain.ok) return trustDomain;
  const path = slash === -1 ? '' : text.slice(slash);
  if (slash !== -1) {
    for (const segment of path.slice(1).split('/')) {
      if (segment === '') return refuse('E_SPIFFE_ID', `${quoted(text)} has an empty path segment or ends with a slash`);
      if (segment === '.' || segment === '..') return refuse('E_SPIFFE_ID', `${quoted(text)} has the path segment "${segment}"`);
      if (!/^[A-Za-z0-9._-]+$/.test(segment)) {
        return refuse('E_SPIFFE_ID', `${quoted(text)} has a path segment with other characters than A-Z, a-z, 0-9, dot, dash, underscore`);
      }
    }
  }
  // The brand is earned by the checks above.
  return ok({ id: text as SpiffeId, trustDomain: trustDomain.value, path });
}

/** The ID of a Kubernetes service account: `spiffe://<trust domain>/ns/<namespace>/sa/<account>`. */
export function serviceAccountId(trustDomain: TrustDomain, namespace: string, serviceAccount: string): Result<SpiffeId, Refusal> {
  // A slash in either would let one account's ID read as another's.
  for (const part of [namespace, serviceAccount]) {
    if (part === '' || part.includes('/')) return refuse('E_SPIFFE_ID', `${quoted(part)} is no name of a namespace or service account`);
  }
  const parsed = parseSpiffeId(`${SCHEME}${trustDomain}/ns/${namespace}/sa/${serviceAccount}`);
  return parsed.ok ? ok(parsed.value.id) : parsed;
}

/** Namespace and service account of an ID in Istio's form, or undefined when the path has another form. */
export function parseServiceAccountPath(path: string): { namespace: string; serviceAccount: string } | undefined {
  const match = /^\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(path);
  return match?.[1] === undefined || match[2] === undefined ? undefined : { namespace: match[1], serviceAccount: match[2] };
}
