import { createHash, X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { PeerCertificate } from '@xebec/telemetry';
import { type SubjectName, subjectNames } from './subject-names.ts';

/** Certificates repeat on every connection of a peer: parsing one costs 50 us, this map does not. */
const parsed = new Map<string, PeerCertificate>();
const maxParsed = 1024;

/** The certificate the peer presented, or undefined when there was none. */
export function peerCertificateOf(socket: TLSSocket): PeerCertificate | undefined {
  const certificate = socket.getPeerX509Certificate();
  return certificate === undefined ? undefined : describeCertificate(certificate);
}

/** The certificate that this side shows to the peer, or undefined when it has none. */
export function ownCertificateOf(socket: TLSSocket): PeerCertificate | undefined {
  const certificate = socket.getX509Certificate();
  return certificate === undefined ? undefined : describeCertificate(certificate);
}

export function describeCertificate(certificate: X509Certificate): PeerCertificate {
  const sha256 = createHash('sha256').update(certificate.raw).digest('hex');
  const known = parsed.get(sha256);
  if (known !== undefined) return known;
  const all = subjectNames(certificate.subjectAltName);
  const names = (kind: SubjectName['kind']): string[] => all.flatMap((name) => (name.kind === kind ? [name.value] : []));
  const result: PeerCertificate = {
    uriSans: names('uri'),
    dnsSans: names('dns'),
    ipSans: names('ip'),
    emailSans: names('email'),
    subject: rfc2253(certificate.subject),
    sha256,
    pem: certificate.toString(),
    issuer: rfc2253(certificate.issuer),
    serial: certificate.serialNumber.toLowerCase(),
    notBeforeMs: Date.parse(certificate.validFrom),
    notAfterMs: Date.parse(certificate.validTo),
  };
  if (parsed.size >= maxParsed) parsed.clear();
  parsed.set(sha256, result);
  return result;
}

/** The certificates that the peer sent, in PEM, its own first. */
export function peerChainOf(socket: TLSSocket): string {
  let pem = '';
  const seen = new Set<object>();
  for (let link: object | undefined = socket.getPeerCertificate(true); link !== undefined && !seen.has(link); ) {
    seen.add(link);
    const raw: unknown = Reflect.get(link, 'raw');
    if (Buffer.isBuffer(raw)) pem += new X509Certificate(raw).toString();
    const next: unknown = Reflect.get(link, 'issuerCertificate');
    link = typeof next === 'object' && next !== null ? next : undefined;
  }
  return pem;
}

/** A PEM certificate (the first in the chain); undefined when it is malformed. */
export function certificateInPem(pem: string | Buffer): PeerCertificate | undefined {
  try {
    return describeCertificate(new X509Certificate(pem));
  } catch {
    return undefined;
  }
}

/** Node gives a distinguished name as lines from the root down; logs and XFCC want `CN=x,O=y`, RFC 2253. */
function rfc2253(name: string | undefined): string {
  return (name ?? '')
    .split('\n')
    .filter((line) => line !== '')
    .reverse()
    .join(',');
}
