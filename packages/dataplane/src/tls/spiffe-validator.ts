import { X509Certificate } from 'node:crypto';
import { fromBinary } from '@bufbuild/protobuf';
import { XebecError } from '@xebec/core';
import { certificatePem, parseBundle, parseCertificate, parseRevocationLists, type RevocationList } from '@xebec/identity';
import type { CertificateValidationContext } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/common';
import { SPIFFECertValidatorConfigSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config';
import { type FileStamp, readDataSource } from './secret-store.ts';
import { subjectNames } from './subject-names.ts';

/** The roots of each trust domain: `envoy.tls.cert_validator.spiffe`. */
export interface SpiffeValidator {
  /** Every root of every domain, PEM: what the handshake itself may lead to. */
  readonly trusted: readonly Buffer[];
  /** The roots that alone may vouch for that leaf, or Envoy's words for why none can. */
  rootsFor(leaf: X509Certificate): readonly X509Certificate[] | string;
  /** Whether a revocation list of the contexts names the leaf. Domains without a list are not asked for one. */
  isRevoked(leaf: X509Certificate): boolean;
}

const NAME = 'envoy.tls.cert_validator.spiffe';

/**
 * Reads `custom_validator_config` of the contexts (the last that has one); undefined without. A peer is judged by the bundle of the
 * trust domain in its own name and by no other: a root of one domain cannot make identities of the next. Throws XebecError `E_CONFIG`.
 */
export function compileSpiffeValidator(
  validations: readonly CertificateValidationContext[],
  stamps: FileStamp[],
): SpiffeValidator | undefined {
  const custom = validations.findLast((each) => each.customValidatorConfig !== undefined)?.customValidatorConfig;
  if (custom === undefined) return undefined;
  if (custom.name !== NAME || custom.typedConfig === undefined)
    throw new XebecError('E_CONFIG', `Failed to get certificate validator factory from ${custom.name}`);
  const config = fromBinary(SPIFFECertValidatorConfigSchema, custom.typedConfig.value);
  const bundles = new Map<string, readonly Buffer[]>();
  const map = readDataSource(config.trustBundles, stamps);
  if (map !== undefined) for (const [domain, roots] of readBundleMap(map.toString('utf8'))) bundles.set(domain, roots);
  else
    for (const { name, trustBundle } of config.trustDomains) {
      if (bundles.has(name)) throw new XebecError('E_CONFIG', `Multiple trust bundles are given for one trust domain for ${name}`);
      bundles.set(name, pemBlocks(readDataSource(trustBundle, stamps), name));
    }
  const parsed = new Map([...bundles].map(([name, roots]) => [name, roots.map((pem) => new X509Certificate(pem))]));
  const lists = validations.flatMap(({ crl }) => revocationLists(readDataSource(crl, stamps)));
  return {
    trusted: [...bundles.values()].flat(),
    rootsFor(leaf) {
      if (!isWorkload(leaf)) return 'verify cert failed: cert precheck';
      const uri = subjectNames(leaf.subjectAltName).find(({ kind }) => kind === 'uri')?.value ?? '';
      const domain = /^spiffe:\/\/([^/]+)\//.exec(uri)?.[1];
      return (domain === undefined ? undefined : parsed.get(domain)) ?? 'verify cert failed: no trust bundle store';
    },
    isRevoked(leaf) {
      if (lists.length === 0) return false;
      const certificate = parseCertificate(leaf.raw);
      // What cannot be read cannot be looked up either.
      if (!certificate.ok) return true;
      const { issuer, serialNumber } = certificate.value;
      return lists.some((list) => Buffer.from(list.issuer).equals(issuer) && list.revoked.has(serialNumber));
    },
  };
}

/** X509-SVID 4.3 and 5.2: neither a CA, nor allowed to sign certificates or revocation lists. Without key usage it would be. */
function isWorkload(leaf: X509Certificate): boolean {
  if (leaf.ca) return false;
  const certificate = parseCertificate(leaf.raw);
  const usages = certificate.ok ? certificate.value.extensions.keyUsage?.usages : undefined;
  return usages !== undefined && !usages.has('keyCertSign') && !usages.has('cRLSign');
}

function revocationLists(pem: Buffer | undefined): readonly RevocationList[] {
  if (pem === undefined || pem.length === 0) return [];
  const lists = parseRevocationLists(pem.toString('latin1'));
  if (!lists.ok) throw new XebecError('E_CONFIG', `crl: ${lists.error.message}`);
  return lists.value;
}

function pemBlocks(pem: Buffer | undefined, domain: string): Buffer[] {
  const blocks = pem?.toString('latin1').match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw new XebecError('E_CONFIG', `Failed to load trusted CA certificate for ${domain}`);
  return blocks.map((block) => Buffer.from(`${block}\n`));
}

/** A SPIFFE bundle map: `{"trust_domains": {"a.example": <bundle document>}}`. */
function readBundleMap(text: string): Map<string, readonly Buffer[]> {
  const wrong = (what: string) => new XebecError('E_CONFIG', `trust_bundles: ${what}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw wrong('the text is no JSON');
  }
  const domains: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'trust_domains') : undefined;
  if (typeof domains !== 'object' || domains === null) throw wrong('there is no object trust_domains');
  return new Map(
    Object.entries(domains).map(([name, document]) => {
      const bundle = parseBundle(JSON.stringify(document));
      if (!bundle.ok) throw wrong(`${name}: ${bundle.error.message}`);
      return [name, bundle.value.roots.map((root) => Buffer.from(certificatePem(root)))];
    }),
  );
}
