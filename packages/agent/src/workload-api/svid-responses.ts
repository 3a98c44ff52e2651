import { createPrivateKey } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { decodePem, jwtKeySet, parseCertificates, parseJwtKeySet, unwrap } from '@xebec/identity';
import {
  type JWTBundlesResponse,
  JWTBundlesResponseSchema,
  type X509BundlesResponse,
  X509BundlesResponseSchema,
  type X509SVIDResponse,
  X509SVIDResponseSchema,
} from '@xebec/protos/spiffe/workload/workload';
import type { WorkloadCertificate } from '../certificate-manager.ts';
import type { DomainTrust, TrustSnapshot } from '../trust-store.ts';

/** What FetchX509SVID sends: the one SVID of the pod with its key, and the roots of every other domain that is trusted. */
export function x509SvidResponse(certificate: WorkloadCertificate, trust: TrustSnapshot): X509SVIDResponse {
  const chain = unwrap(decodePem(certificate.certificateChainPem, 'CERTIFICATE'));
  const id = spiffeIdOf(certificate);
  const domain = trustDomainOf(id);
  const own = trust.domains.find(({ trustDomain }) => trustDomain === domain);
  return create(X509SVIDResponseSchema, {
    svids: [
      {
        spiffeId: id,
        x509Svid: Buffer.concat(chain),
        x509SvidKey: createPrivateKey(certificate.privateKeyPem).export({ format: 'der', type: 'pkcs8' }),
        bundle: own === undefined ? new Uint8Array() : rootsDer(own),
      },
    ],
    crl: crlsDer(trust),
    federatedBundles: Object.fromEntries(
      trust.domains.filter((each) => each !== own).map((each) => [`spiffe://${each.trustDomain}`, rootsDer(each)]),
    ),
  });
}

export function x509BundlesResponse(trust: TrustSnapshot): X509BundlesResponse {
  const bundles = trust.domains.map((each) => [`spiffe://${each.trustDomain}`, rootsDer(each)] as const);
  return create(X509BundlesResponseSchema, { crl: crlsDer(trust), bundles: Object.fromEntries(bundles) });
}

/** Every domain, also those without keys: a client that knows a domain can tell a wrong token from an unknown issuer. */
export function jwtBundlesResponse(trust: TrustSnapshot): JWTBundlesResponse {
  const bundles = trust.domains.map(
    // Written anew: what came from elsewhere may hold more than keys for tokens.
    (each) => [`spiffe://${each.trustDomain}`, Buffer.from(jwtKeySet(unwrap(parseJwtKeySet(each.jwtKeys))))] as const,
  );
  return create(JWTBundlesResponseSchema, { bundles: Object.fromEntries(bundles) });
}

/** The identity that the certificate itself proves. Throws XebecError for one without. */
export function spiffeIdOf(certificate: WorkloadCertificate): string {
  const [leaf] = unwrap(parseCertificates(certificate.certificateChainPem));
  return leaf?.extensions.subjectAltNames?.uris[0] ?? '';
}

function trustDomainOf(id: string): string {
  return id.slice('spiffe://'.length).split('/', 1)[0] ?? '';
}

function rootsDer(domain: DomainTrust): Uint8Array {
  return Buffer.concat(domain.roots.flatMap((pem) => unwrap(decodePem(pem, 'CERTIFICATE'))));
}

function crlsDer(trust: TrustSnapshot): Uint8Array[] {
  return trust.crls.flatMap((pem) => unwrap(decodePem(pem, 'X509 CRL')));
}
