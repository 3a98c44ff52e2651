import { create, toBinary } from '@bufbuild/protobuf';
import { CertificateValidationContextSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/common';
import { SPIFFECertValidatorConfigSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config';
import { expect, it } from 'vitest';
import { trustedRoots } from './trusted-roots.ts';

const inline = (text: string) => ({ specifier: { case: 'inlineBytes' as const, value: Buffer.from(text) } });

it('names one list of roots', () => {
  expect(trustedRoots(create(CertificateValidationContextSchema, { trustedCa: inline('a') }))).toEqual([
    { trustDomain: undefined, pem: 'a' },
  ]);
});

it('names the roots of each trust domain', () => {
  const trustDomains = [
    { name: 'a.example', trustBundle: inline('a') },
    { name: 'b.example', trustBundle: inline('b') },
  ];
  const value = toBinary(SPIFFECertValidatorConfigSchema, create(SPIFFECertValidatorConfigSchema, { trustDomains }));
  const typedConfig = { typeUrl: `type.googleapis.com/${SPIFFECertValidatorConfigSchema.typeName}`, value };
  const context = create(CertificateValidationContextSchema, {
    customValidatorConfig: { name: 'envoy.tls.cert_validator.spiffe', typedConfig },
  });
  expect(trustedRoots(context)).toEqual([
    { trustDomain: 'a.example', pem: 'a' },
    { trustDomain: 'b.example', pem: 'b' },
  ]);
});
