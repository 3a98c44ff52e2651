import type { MessageInitShape } from '@bufbuild/protobuf';
import type { CertificateValidationContextSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/common';
import type { TrustSnapshot } from '../trust-store.ts';

/**
 * What Envoy judges peers by. The roots of all trust domains in one list, as Istio's agents send them: which of the domains a peer may
 * come from is what the SAN matchers and policies of the configuration say.
 */
export function validationContext(trust: TrustSnapshot): MessageInitShape<typeof CertificateValidationContextSchema> {
  const roots = [...new Set(trust.domains.flatMap((domain) => domain.roots))];
  return {
    trustedCa: inline(roots.join('')),
    // A workload is judged by what its CA has taken back; the CAs above may have no list at all.
    ...(trust.crls.length === 0 ? {} : { crl: inline(trust.crls.join('')), onlyVerifyLeafCertCrl: true }),
  };
}

function inline(text: string) {
  return { specifier: { case: 'inlineBytes' as const, value: Buffer.from(text) } };
}
