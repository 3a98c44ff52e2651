import type { Result } from '@xebec/core';
import type { Refusal } from '@xebec/identity';
import { bundleOf, parseCertificate, parseCertificates, type SpiffeIdParts, validateX509Svid } from '@xebec/identity';

/**
 * Whom the client certificate of a gRPC call (`call.getAuthContext()`) proves, undefined when it showed none that leads to the root.
 * A verified chain alone is no identity: the rules of X509-SVID are checked here.
 */
export function peerIdentity(
  context: { readonly sslPeerCertificate?: { readonly raw?: Uint8Array } },
  trust: { readonly trustDomain: string; readonly rootPem: string },
  now: number,
): Result<SpiffeIdParts, Refusal> | undefined {
  const raw = context.sslPeerCertificate?.raw;
  if (raw === undefined) return undefined;
  const leaf = parseCertificate(raw);
  if (!leaf.ok) return leaf;
  const roots = parseCertificates(trust.rootPem);
  if (!roots.ok) return roots;
  return validateX509Svid([leaf.value], bundleOf(trust.trustDomain, roots.value), now);
}
