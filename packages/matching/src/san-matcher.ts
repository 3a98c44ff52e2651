import type { PeerCertificate } from '@xebec/telemetry';
import type { StringPredicate } from './string-matcher.ts';

/** Which kind of subject alternative name a predicate is about; `any` tries all. */
export type SanKind = 'uri' | 'dns' | 'any';

/** Whether one of the certificate's names of that kind satisfies the predicate. */
export function matchesSan(peer: PeerCertificate, kind: SanKind, matches: StringPredicate): boolean {
  if (kind !== 'dns' && peer.uriSans.some(matches)) return true;
  return kind !== 'uri' && peer.dnsSans.some(matches);
}

/** Whether one of the names that Envoy takes for a principal matches: URI SANs, DNS SANs, then the subject. */
export function matchesPrincipal(peer: PeerCertificate, matches: StringPredicate): boolean {
  return peer.uriSans.some(matches) || peer.dnsSans.some(matches) || matches(peer.subject);
}
