import { createHash } from 'node:crypto';
import { type Clock, XebecError } from '@xebec/core';
import {
  type Authority,
  bundleOf,
  type Certificate,
  parseCertificate,
  parseCertificates,
  parseServiceAccountPath,
  type Signer,
  type SpiffeIdParts,
  type TrustDomain,
  unwrap,
  validateX509Svid,
} from '@xebec/identity';
import type { Authenticator, Caller } from '../authenticator.ts';

export interface ClientCertificateOptions {
  /** The authority in use; undefined until it is loaded. */
  authority(): Authority<Signer> | undefined;
  readonly trustDomain: TrustDomain;
  readonly clock: Clock;
  /** Whether a certificate was revoked; asked for each call. */
  isRevoked?(certificate: Certificate): boolean;
}

/** Connections stay for many calls: a certificate that was found good is not read again while its root and its time are the same. */
const MAX_REMEMBERED = 4096;

interface Remembered {
  readonly caller: Caller;
  readonly certificate: Certificate;
  readonly rootPem: string;
}

/** A certificate of the mesh proves the ID in it: how workloads renew. A verified chain alone is no identity. */
export function createClientCertificateAuthenticator(options: ClientCertificateOptions): Authenticator {
  const { trustDomain, clock } = options;
  const remembered = new Map<string, Remembered>();
  let trusted: { authority: Authority<Signer>; roots: readonly Certificate[] } | undefined;
  const name = 'client certificate';

  const judge = (der: Uint8Array, authority: Authority<Signer>): Remembered => {
    if (trusted?.authority !== authority) trusted = { authority, roots: unwrap(parseCertificates(authority.rootPem)) };
    const certificate = unwrap(parseCertificate(der));
    // TLS hands over the leaf alone; between it and the root can only stand what this CA signs with.
    const chain = [certificate, authority.certificate, ...authority.intermediates];
    const id = unwrap(validateX509Svid(chain, bundleOf(trustDomain, trusted.roots), clock.now()));
    return { caller: callerOf(id), certificate, rootPem: authority.rootPem };
  };
  const callerOf = (id: SpiffeIdParts): Caller => {
    const account = parseServiceAccountPath(id.path);
    return account === undefined
      ? { id: id.id, provenBy: name }
      : { id: id.id, account: { namespace: account.namespace, name: account.serviceAccount }, provenBy: name };
  };

  return {
    name,
    needs: 'certificate',
    authenticate({ certificate: der }) {
      const authority = options.authority();
      if (der === undefined || authority === undefined) throw new XebecError('E_CLIENT_CERTIFICATE', 'none that leads to the root');
      const key = createHash('sha256').update(der).digest('base64');
      let known = remembered.get(key);
      if (known === undefined || known.rootPem !== authority.rootPem || known.certificate.notAfter <= clock.now()) {
        remembered.delete(key);
        known = judge(der, authority);
        const [oldest] = remembered.keys();
        if (remembered.size >= MAX_REMEMBERED && oldest !== undefined) remembered.delete(oldest);
        remembered.set(key, known);
      }
      if (options.isRevoked?.(known.certificate) === true)
        throw new XebecError('E_CLIENT_CERTIFICATE', `serial number ${known.certificate.serialNumber} is revoked`);
      return known.caller;
    },
  };
}
