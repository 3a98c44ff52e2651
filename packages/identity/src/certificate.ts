import type { KeyObject } from 'node:crypto';
import { errorText, ok, type Result } from '@xebec/core';
import { childOf, type DerNode, derError, readDer, readOid, readTime, TAG } from './der.ts';
import { type CertificateExtensions, readExtensions } from './extensions.ts';
import { readPublicKey, verifyBytes } from './keys.ts';
import { decodePem, encodePem } from './pem.ts';
import { type Refusal, refuse } from './refusal.ts';

/** What the mesh reads of an X.509 v3 certificate (RFC 5280 4.1). */
export interface Certificate {
  readonly der: Uint8Array;
  /** Lower-case hex without leading zeros. */
  readonly serialNumber: string;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Names as DER: compared byte by byte. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly subjectEmpty: boolean;
  readonly publicKey: KeyObject;
  readonly spki: Uint8Array;
  readonly extensions: CertificateExtensions;
  /** Whether the certificate is signed by that key. */
  signedBy(key: KeyObject): boolean;
}

const MAX_CERTIFICATE_BYTES = 64 * 1024;

export function parseCertificate(bytes: Uint8Array): Result<Certificate, Refusal> {
  if (bytes.length > MAX_CERTIFICATE_BYTES) {
    return refuse('E_CERTIFICATE', `the certificate has ${bytes.length} bytes, at most ${MAX_CERTIFICATE_BYTES} are read`);
  }
  try {
    return read(bytes);
  } catch (error) {
    return refuse('E_CERTIFICATE', `the certificate cannot be read: ${errorText(error)}`);
  }
}

/** Every certificate of a PEM text, in order. */
export function parseCertificates(pem: string): Result<Certificate[], Refusal> {
  const blocks = decodePem(pem, 'CERTIFICATE');
  if (!blocks.ok) return blocks;
  const certificates: Certificate[] = [];
  for (const block of blocks.value) {
    const certificate = parseCertificate(block);
    if (!certificate.ok) return certificate;
    certificates.push(certificate.value);
  }
  return ok(certificates);
}

export function certificatePem(certificate: Pick<Certificate, 'der'>): string {
  return encodePem('CERTIFICATE', certificate.der);
}

function read(bytes: Uint8Array): Result<Certificate, Refusal> {
  const root = readDer(bytes);
  if (root.tag !== TAG.sequence) throw derError('the certificate is no SEQUENCE');
  const tbs = childOf(root, 0, TAG.sequence, 'the certificate body');
  const algorithm = readOid(childOf(childOf(root, 1, TAG.sequence, 'the signature algorithm'), 0, TAG.oid, 'the signature algorithm'));
  const signature = childOf(root, 2, TAG.bitString, 'the signature').content.subarray(1);
  const version = childOf(tbs, 0, 0xa0, 'the version (only v3 is read)');
  if (childOf(version, 0, TAG.integer, 'the version').content[0] !== 2) throw derError('only version 3 certificates are read');
  const inner = childOf(tbs, 2, TAG.sequence, 'the inner signature algorithm');
  if (readOid(childOf(inner, 0, TAG.oid, 'the inner signature algorithm')) !== algorithm)
    throw derError('the two signature algorithms differ');
  const validity = childOf(tbs, 4, TAG.sequence, 'the validity');
  const subject = childOf(tbs, 5, TAG.sequence, 'the subject');
  const spki = childOf(tbs, 6, TAG.sequence, 'the public key').raw;
  const publicKey = readPublicKey(spki);
  if (!publicKey.ok) return publicKey;
  const wrapper: DerNode | undefined = tbs.children.find((child) => child.tag === 0xa3);
  return ok({
    der: Uint8Array.from(bytes),
    serialNumber: Buffer.from(childOf(tbs, 1, TAG.integer, 'the serial number').content)
      .toString('hex')
      .replace(/^0+(?=.)/, ''),
    notBefore: readTime(at(validity, 0)),
    notAfter: readTime(at(validity, 1)),
    issuer: childOf(tbs, 3, TAG.sequence, 'the issuer').raw,
    subject: subject.raw,
    subjectEmpty: subject.children.length === 0,
    publicKey: publicKey.value,
    spki,
    extensions: wrapper === undefined ? { unknownCritical: [] } : readExtensions(childOf(wrapper, 0, TAG.sequence, 'the extensions')),
    signedBy: (key) => verifyBytes(tbs.raw, signature, key, algorithm),
  });
}

function at(node: DerNode, index: number): DerNode {
  const child = node.children[index];
  if (child === undefined) throw derError('the validity wants two times');
  return child;
}
