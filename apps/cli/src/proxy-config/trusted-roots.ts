import { fromBinary } from '@bufbuild/protobuf';
import type { DataSource } from '@xebec/protos/envoy/config/core/v3/base';
import type { CertificateValidationContext } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/common';
import { SPIFFECertValidatorConfigSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config';

/** Roots, PEM, and the trust domain whose certificates they alone vouch for; undefined: for all. */
export interface TrustedRoots {
  readonly trustDomain: string | undefined;
  readonly pem: string;
}

export function pemOf(source: DataSource | undefined): string {
  if (source?.specifier.case === 'inlineBytes') return Buffer.from(source.specifier.value).toString('utf8');
  return source?.specifier.case === 'inlineString' ? source.specifier.value : '';
}

/** What a validation context trusts: one list, or one for each trust domain where the SPIFFE validator judges. */
export function trustedRoots(context: CertificateValidationContext): TrustedRoots[] {
  const custom = context.customValidatorConfig?.typedConfig;
  if (custom?.typeUrl !== `type.googleapis.com/${SPIFFECertValidatorConfigSchema.typeName}`)
    return [{ trustDomain: undefined, pem: pemOf(context.trustedCa) }];
  const { trustDomains } = fromBinary(SPIFFECertValidatorConfigSchema, custom.value);
  return trustDomains.map(({ name, trustBundle }) => ({ trustDomain: name, pem: pemOf(trustBundle) }));
}
