import { request } from 'node:https';
import { checkServerIdentity, rootCertificates } from 'node:tls';
import { errorText, XebecError } from '@xebec/core';
import {
  type BundleDocument,
  bundleOf,
  certificatePem,
  MAX_BUNDLE_BYTES,
  parseCertificate,
  parseSpiffeId,
  validateX509Svid,
} from '@xebec/identity';

/** How the server of a bundle endpoint proves itself (SPIFFE Federation, section 5). */
export type EndpointProfile =
  /** By a certificate of the web for the host of the URL; `caPem`: further authorities, PEM. */
  | { readonly kind: 'https_web'; readonly caPem?: string }
  /** By an X509-SVID with that ID, which leads to the bundle known so far; `initial` is that of the start. */
  | { readonly kind: 'https_spiffe'; readonly spiffeId: string; readonly initial: BundleDocument };

const TIMEOUT_MS = 10_000;

/** Checks what an operator wrote. Throws XebecError `E_BUNDLE_ENDPOINT`. */
export function checkBundleUrl(text: string): URL {
  // Istio takes addresses without a scheme for HTTPS.
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`);
  if (url === null) throw new XebecError('E_BUNDLE_ENDPOINT', `the bundle URL ${JSON.stringify(text)} cannot be read`);
  if (url.protocol !== 'https:')
    throw new XebecError('E_BUNDLE_ENDPOINT', `the bundle URL ${JSON.stringify(text)} must start with https://`);
  if (url.username !== '' || url.password !== '' || url.hash !== '')
    throw new XebecError('E_BUNDLE_ENDPOINT', `the bundle URL of ${url.host} must have no user, password or fragment`);
  return url;
}

/**
 * One GET of a bundle document, by HTTPS alone and from nowhere but that URL: redirects are not followed, so that no server can send
 * the control plane to an address that its operator did not write. Rejects with XebecError `E_BUNDLE_ENDPOINT`.
 */
export function fetchBundle(url: URL, profile: EndpointProfile, known: BundleDocument | undefined, signal: AbortSignal): Promise<string> {
  const trusted = profile.kind === 'https_web' ? webRoots(profile.caPem) : (known ?? profile.initial).roots.map(certificatePem);
  return new Promise((resolve, reject) => {
    const fail = (what: string) => reject(new XebecError('E_BUNDLE_ENDPOINT', `${url.href}: ${what}`));
    const sent = request(
      url,
      {
        method: 'GET',
        headers: { accept: 'application/json' },
        agent: false,
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
        ...(trusted === undefined ? {} : { ca: [...trusted] }),
        minVersion: 'TLSv1.2',
        rejectUnauthorized: true,
        checkServerIdentity: (host, certificate) =>
          profile.kind === 'https_web'
            ? checkServerIdentity(host, certificate)
            : spiffeServer(certificate.raw, profile.spiffeId, known ?? profile.initial),
      },
      (response) => {
        if (response.statusCode !== 200) {
          response.destroy();
          fail(
            `the endpoint answered ${response.statusCode}${(response.statusCode ?? 0) >= 300 && (response.statusCode ?? 0) < 400 ? ', and redirects are not followed' : ''}`,
          );
          return;
        }
        const pieces: Buffer[] = [];
        let size = 0;
        response.on('data', (piece: Buffer) => {
          size += piece.length;
          if (size <= MAX_BUNDLE_BYTES) {
            pieces.push(piece);
            return;
          }
          response.destroy();
          fail(`the document has more than ${MAX_BUNDLE_BYTES} bytes`);
        });
        response.on('end', () => resolve(Buffer.concat(pieces).toString('utf8')));
        response.on('error', (error) => fail(errorText(error)));
      },
    );
    sent.on('error', (error) => fail(errorText(error)));
    sent.end();
  });
}

/** Undefined: what Node trusts by itself. */
function webRoots(caPem: string | undefined): readonly string[] | undefined {
  return caPem === undefined ? undefined : [...rootCertificates, caPem];
}

/** Judged when OpenSSL has found a chain: the leaf must be that SVID. Intermediates were part of what OpenSSL checked. */
function spiffeServer(leaf: Buffer, spiffeId: string, bundle: BundleDocument): Error | undefined {
  const wanted = parseSpiffeId(spiffeId);
  const certificate = parseCertificate(leaf);
  if (!wanted.ok) return new Error(wanted.error.message);
  if (!certificate.ok) return new Error(certificate.error.message);
  const names = certificate.value.extensions.subjectAltNames?.uris ?? [];
  if (names.length !== 1 || names[0] !== spiffeId) return new Error(`the server is ${names.join(', ')}, not ${spiffeId}`);
  const valid = validateX509Svid([certificate.value], bundleOf(wanted.value.trustDomain, bundle.roots), Date.now());
  return valid.ok || valid.error.code === 'E_SVID_CHAIN' ? undefined : new Error(valid.error.message);
}
