import { XebecError } from '@xebec/core';
import { type Certificate, certificatePem, checkSvidLeaf, decodePem, parseCertificate, unwrap } from '@xebec/identity';
import type { VaultClient } from '../key-manager/vault-client.ts';
import type { IssuedCertificate, Issuer } from './issuer.ts';

/** Vault's PKI engine signs: `path` is `<mount>/sign/<role>`. The role must allow URI SANs and take the key usages of a workload. */
export function createVaultIssuer(client: VaultClient, path: string): Issuer {
  return {
    async issue(order): Promise<IssuedCertificate> {
      const data = await client.call('POST', path, {
        csr: order.csrPem,
        uri_sans: order.id,
        alt_names: order.dnsNames.join(','),
        ttl: `${Math.floor(order.ttlMs / 1000)}s`,
        format: 'pem',
        exclude_cn_from_sans: true,
      });
      if (data === undefined) throw new XebecError('E_KEY_STORE', `Vault has nothing at ${path}`);
      const leaf = only(data['certificate'], 'certificate');
      // Whatever the role says: what is no certificate of the caller's for the caller's key does not leave the house.
      const id = unwrap(checkSvidLeaf(leaf));
      if (id.id !== order.id || !Buffer.from(leaf.spki).equals(order.request.spki))
        throw new XebecError('E_CERTIFICATE', `Vault's certificate is for ${id.id} or another key, not for what was ordered`);
      const given = data['ca_chain'];
      const chain = (Array.isArray(given) && given.length > 0 ? given : [data['issuing_ca']]).map((text) => only(text, 'CA chain'));
      const roots = chain.filter(isSelfIssued);
      if (roots.length === 0) throw new XebecError('E_CERTIFICATE', "Vault's chain does not end in a root: add the root to its CA chain");
      return {
        chain: [leaf, ...chain.filter((link) => !isSelfIssued(link))].map(certificatePem).concat(roots.map(certificatePem).join('')),
        serialNumber: leaf.serialNumber,
        notAfter: leaf.notAfter,
      };
    },
  };
}

function only(text: unknown, what: string): Certificate {
  const [der] = typeof text === 'string' ? unwrap(decodePem(text, 'CERTIFICATE')) : [];
  if (der === undefined) throw new XebecError('E_KEY_STORE', `Vault answers without a ${what}`);
  return unwrap(parseCertificate(der));
}

function isSelfIssued(certificate: Certificate): boolean {
  return Buffer.from(certificate.subject).equals(certificate.issuer);
}
