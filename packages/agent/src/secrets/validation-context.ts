import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { CertificateValidationContextSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/common';
import { SPIFFECertValidatorConfigSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config';
import type { TrustSnapshot } from '../trust-store.ts';

/**
 * What Envoy judges peers by. Where all trust domains have the same roots it is one list, as Istio's agents send it. Where they differ,
 * Envoy's SPIFFE validator has a list for each domain: in one list the root of one domain could make identities of every other.
 */
export function validationContext(trust: TrustSnapshot): MessageInitShape<typeof CertificateValidationContextSchema> {
  const roots = [...new Set(trust.domains.flatMap((domain) => domain.roots))];
  const federated = trust.domains.some((domain) => domain.roots.length < roots.length);
  return {
    ...(federated ? { customValidatorConfig: spiffeValidator(trust) } : { trustedCa: inline(roots.join('')) }),
    // A workload is judged by what its CA has taken back; the CAs above may have no list at all.
    ...(trust.crls.length === 0 ? {} : { crl: inline(trust.crls.join('')), onlyVerifyLeafCertCrl: true }),
  };
}

function spiffeValidator(trust: TrustSnapshot) {
  const trustDomains = trust.domains
    .filter(({ roots }) => roots.length > 0)
    .map(({ trustDomain, roots }) => ({ name: trustDomain, trustBundle: inline(roots.join('')) }));
  const value = toBinary(SPIFFECertValidatorConfigSchema, create(SPIFFECertValidatorConfigSchema, { trustDomains }));
  return {
    name: 'envoy.tls.cert_validator.spiffe',
    typedConfig: { typeUrl: `type.googleapis.com/${SPIFFECertValidatorConfigSchema.typeName}`, value },
  };
}

function inline(text: string) {
  return { specifier: { case: 'inlineBytes' as const, value: Buffer.from(text) } };
}
