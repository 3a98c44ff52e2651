import { X509Certificate } from 'node:crypto';
import { XebecError } from '@xebec/core';
import { type Certificate, parseCertificate, parseRevocationLists, type RevocationList } from '@xebec/identity';

/** A TLS socket, as far as its peer's certificates are looked at. */
export interface Handshaken {
  getPeerCertificate(detailed: true): object;
}

/**
 * Revocation of leaves alone (`only_verify_leaf_cert_crl`). OpenSSL as Node offers it looks at every certificate of the chain, so that the
 * CA above an issuer needs a list too; here only the leaf's issuer does.
 */
export interface LeafRevocation {
  /** OpenSSL's code for what is wrong with a leaf whose chain has been verified; undefined when it is not revoked. */
  check(socket: Handshaken, leaf: X509Certificate, nowMs: number): string | undefined;
}

/** `lists` and `roots` in PEM. Throws XebecError `E_CONFIG` for a list that cannot be read. */
export function compileLeafRevocation(lists: readonly Buffer[], roots: readonly X509Certificate[]): LeafRevocation {
  const known: RevocationList[] = [];
  for (const pem of lists) {
    const parsed = parseRevocationLists(pem.toString('latin1'));
    if (!parsed.ok) throw new XebecError('E_CONFIG', `crl: ${parsed.error.message}`);
    known.push(...parsed.value);
  }
  /** Which list is by which key: signatures are checked once. */
  const signed = new Map<string, readonly RevocationList[]>();
  const listsBy = (issuer: X509Certificate, name: Uint8Array): readonly RevocationList[] => {
    const found = signed.get(issuer.fingerprint256);
    if (found !== undefined) return found;
    const own = known.filter((list) => Buffer.from(list.issuer).equals(name) && list.signedBy(issuer.publicKey));
    if (signed.size >= MAX_ISSUERS) signed.clear();
    signed.set(issuer.fingerprint256, own);
    return own;
  };
  return {
    check(socket, leaf, nowMs) {
      const parsed = parseCertificate(leaf.raw);
      // What cannot be read cannot be looked up.
      if (!parsed.ok) return 'UNABLE_TO_GET_CRL';
      const certificate: Certificate = parsed.value;
      const issuer = [...roots, ...sentIssuers(socket)].find((each) => leaf.checkIssued(each) && leaf.verify(each.publicKey));
      const own = issuer === undefined ? [] : listsBy(issuer, certificate.issuer);
      if (own.length === 0) return 'UNABLE_TO_GET_CRL';
      // The newest list is the one that counts, as with OpenSSL.
      const newest = own.reduce((a, b) => (b.thisUpdate > a.thisUpdate ? b : a));
      if (newest.thisUpdate > nowMs) return 'CRL_NOT_YET_VALID';
      if (newest.nextUpdate !== undefined && newest.nextUpdate <= nowMs) return 'CRL_HAS_EXPIRED';
      return newest.revoked.has(certificate.serialNumber) ? 'CERT_REVOKED' : undefined;
    },
  };
}

const MAX_ISSUERS = 256;

/** The certificate above the leaf, as the peer sent it. */
function sentIssuers(socket: Handshaken): X509Certificate[] {
  const above: unknown = Reflect.get(socket.getPeerCertificate(true), 'issuerCertificate');
  const raw: unknown = typeof above === 'object' && above !== null ? Reflect.get(above, 'raw') : undefined;
  return Buffer.isBuffer(raw) ? [new X509Certificate(raw)] : [];
}
