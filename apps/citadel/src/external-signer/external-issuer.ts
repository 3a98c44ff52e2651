import { status } from '@grpc/grpc-js';
import { type Clock, XebecError } from '@xebec/core';
import {
  bundleOf,
  type Certificate,
  certificatePem,
  parseCertificates,
  requestedNames,
  type TrustDomain,
  unwrap,
  validateX509Svid,
} from '@xebec/identity';
import { CallRefused } from '../authenticators/call-refused.ts';
import type { CertificateOrder, IssuedCertificate, Issuer } from '../issuing/issuer.ts';
import type { SignExternally } from './kubernetes-csr.ts';

export interface ExternalIssuerOptions {
  readonly sign: SignExternally;
  /** `example.com/signer`. */
  readonly signerName: string;
  readonly trustDomain: TrustDomain;
  /** PEM roots of the signer; empty: the self-signed certificate at the end of what it answers. */
  rootPem(): string;
  /** Every root of the mesh, PEM: the last element of the answer. */
  bundlePem(): string;
  readonly clock: Clock;
}

const SUBJECT_ALT_NAME = '2.5.29.17';

/**
 * Leaves by a signer outside, which grants what a request asks for: so a request is handed on only when it asks for nothing but the names
 * of the authenticated caller, and what comes back is given out only when it is a good X509-SVID of the caller.
 */
export function createExternalIssuer(options: ExternalIssuerOptions): Issuer {
  return {
    async issue(order) {
      checkRequest(order);
      const answer = await options.sign(order.csrPem, options.signerName, order.ttlMs);
      return issued(order, answer, options);
    },
  };
}

function checkRequest({ csrPem, id, dnsNames }: CertificateOrder): void {
  const refuse = (what: string) => new CallRefused(status.INVALID_ARGUMENT, `CSR signing error (${what})`);
  const names = requestedNames(csrPem);
  if (!names.ok) throw refuse(`${names.error.code}: ${names.error.message}`);
  const { subjectSaysNothing, extensionIds, extensions } = names.value;
  if (!subjectSaysNothing) throw refuse('the request has a subject; an external signer would grant it');
  if (extensionIds.some((extension) => extension !== SUBJECT_ALT_NAME))
    throw refuse('the request asks for more than subject alternative names');
  const { uris = [], dnsNames: asked = [], ipAddresses = [] } = extensions.subjectAltNames ?? {};
  if (uris.length !== 1 || uris[0] !== id)
    throw refuse(`the request must ask for exactly ${id}, as an external signer grants what is asked`);
  if (names.value.otherNames || ipAddresses.length > 0 || asked.some((name) => !dnsNames.includes(name)))
    throw refuse("the request asks for names that are not the caller's");
}

function issued(order: CertificateOrder, answer: string, options: ExternalIssuerOptions): IssuedCertificate {
  const chain = unwrap(parseCertificates(answer));
  const given = options.rootPem();
  const roots = given === '' ? chain.filter(isSelfIssued).slice(-1) : unwrap(parseCertificates(given));
  if (roots.length === 0)
    throw new XebecError('E_EXTERNAL_SIGNER', `no root of ${options.signerName} is known: mount it or name it in caCertificates`);
  const shown = chain.filter((certificate) => !isSelfIssued(certificate));
  const [leaf] = shown;
  if (leaf === undefined) throw new XebecError('E_EXTERNAL_SIGNER', `${options.signerName} answered without a leaf`);
  const id = unwrap(validateX509Svid(shown, bundleOf(options.trustDomain, roots), options.clock.now()));
  const names = leaf.extensions.subjectAltNames;
  const alien = (names?.dnsNames ?? []).some((name) => !order.dnsNames.includes(name)) || (names?.ipAddresses ?? []).length > 0;
  if (id.id !== order.id || alien || !Buffer.from(leaf.spki).equals(order.request.spki))
    throw new XebecError('E_EXTERNAL_SIGNER', `${options.signerName} signed another name or key than was asked for`);
  const bundle = [
    ...new Set([...roots.map(certificatePem), ...(options.bundlePem().match(/-----BEGIN[\s\S]*?END CERTIFICATE-----\n?/g) ?? [])]),
  ];
  return {
    chain: [...shown.map(certificatePem), bundle.join('')],
    serialNumber: leaf.serialNumber,
    notAfter: leaf.notAfter,
  };
}

function isSelfIssued(certificate: Certificate): boolean {
  return Buffer.from(certificate.subject).equals(certificate.issuer);
}
