import type { PeerCertificate } from '@xebec/telemetry';
import type { StringPredicate } from './string-matcher.ts';

/** Which kind of subject alternative name a predicate is about; `any` tries all. */
export type SanKind = 'uri' | 'dns' | 'any';

/** Whether one of the certificate's names of that kind satisfies the predicate. */
export function matchesSan(peer: PeerCertificate, kind: SanKind, matches: StringPredicate): boolean {
  if (kind !== 'dns' && peer.uriSans.some(matches)) return true;
  return kind !== 'uri' && peer.dnsSans.some(matches);
}

/**
 * The name that Envoy takes for a peer's principal: URI SANs first, then DNS SANs, then the subject
 * (envoy.config.rbac.v3.Principal.Authenticated).
 */
export function matchesPrincipal(peer: PeerCertificate, matches: StringPredicate): boolean {
  if (peer.uriSans.length > 0) return peer.uriSans.some(matches);
  if (peer.dnsSans.length > 0) return peer.dnsSans.some(matches);
  return matches(peer.subject);
}
