import { fromBinary } from '@bufbuild/protobuf';
import { SPIFFECertValidatorConfigSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config';
import { expect, it } from 'vitest';
import type { TrustSnapshot } from '../trust-store.ts';
import { validationContext } from './validation-context.ts';

const trust = (roots: Record<string, string[]>): TrustSnapshot => ({
  bundleVersion: 1n,
  domains: Object.entries(roots).map(([trustDomain, each]) => ({ trustDomain, roots: each, jwtKeys: '' })),
  crls: [],
});

it.each([
  ['one domain', { 'a.test': ['1', '2'] }],
  ['another name of the same domain', { 'a.test': ['1', '2'], 'old.test': ['2', '1'] }],
])('is one list for %s', (_name, roots) => {
  expect(validationContext(trust(roots))).toEqual({
    trustedCa: { specifier: { case: 'inlineBytes', value: Buffer.from('12') } },
  });
});

it('is a bundle for each domain where they differ, and domains without roots have none', () => {
  const context = validationContext(trust({ 'a.test': ['1'], 'b.test': ['2'], 'gone.test': [] }));
  expect(context.trustedCa).toBeUndefined();
  const { trustDomains } = fromBinary(
    SPIFFECertValidatorConfigSchema,
    context.customValidatorConfig?.typedConfig?.value ?? new Uint8Array(),
  );
  expect(trustDomains.map(({ name, trustBundle }) => [name, Buffer.from(trustBundle?.specifier.value ?? '').toString()])).toEqual([
    ['a.test', '1'],
    ['b.test', '2'],
  ]);
});
