import type { KeyObject } from 'node:crypto';
import { errorText, ok, type Result } from '@xebec/core';
import { childOf, type DerNode, derError, readDer, readName, readOctets, readOid, readTime, TAG } from './der.ts';
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
  /** Object identifier of the algorithm that it is signed with. */
  readonly signatureAlgorithm: string;
  /** Whether the certificate is signed by that key. */
  signedBy(key: KeyObject): boolean;
}

const MAX_CERTIFICATE_BYTES = 64 * 1024;
/** RFC 5280 4.1.2.2. */
const MAX_SERIAL_BYTES = 20;
/** issuerUniqueID, subjectUniqueID, extensions. */
const AFTER_KEY = [0x81, 0x82, 0xa3];

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
  if (root.children.length !== 3) throw derError('the certificate has other parts than body, algorithm and signature');
  const tbs = childOf(root, 0, TAG.sequence, 'the certificate body');
  // Roots may be signed in ways that are not verified here, with parameters of their own.
  const algorithm = readOid(childOf(childOf(root, 1, TAG.sequence, 'the signature algorithm'), 0, TAG.oid, 'the signature algorithm'));
  const signature = readOctets(childOf(root, 2, TAG.bitString, 'the signature'), 'the signature');
  const version = childOf(tbs, 0, 0xa0, 'the version (only v3 is read)');
  if (childOf(version, 0, TAG.integer, 'the version').content[0] !== 2) throw derError('only version 3 certificates are read');
  const serial = childOf(tbs, 1, TAG.integer, 'the serial number').content;
  if ((serial[0] ?? 0) >= 0x80) throw derError('the serial number is negative');
  if (serial.length > MAX_SERIAL_BYTES)
    throw derError(`the serial number has ${serial.length} bytes, at most ${MAX_SERIAL_BYTES} are allowed`);
  const inner = childOf(tbs, 2, TAG.sequence, 'the inner signature algorithm');
  if (!sameBytes(inner.raw, childOf(root, 1, TAG.sequence, 'the signature algorithm').raw))
    throw derError('the two signature algorithms differ');
  const issuer = childOf(tbs, 3, TAG.sequence, 'the issuer');
  readName(issuer, 'the issuer');
  const validity = childOf(tbs, 4, TAG.sequence, 'the validity');
  if (validity.children.length !== 2) throw derError('the validity wants two times');
  const [notBefore, notAfter] = [readTime(at(validity, 0)), readTime(at(validity, 1))];
  if (notAfter < notBefore) throw derError('the certificate ends before it begins');
  const subject = childOf(tbs, 5, TAG.sequence, 'the subject');
  readName(subject, 'the subject');
  const spki = childOf(tbs, 6, TAG.sequence, 'the public key').raw;
  // RFC 5280 4.1: after the key come the two unique identifiers, which nobody uses, and the extensions, each at most once and in order.
  const after = tbs.children.slice(7).map((child) => child.tag);
  if (after.some((tag, index) => !AFTER_KEY.includes(tag) || tag <= (after[index - 1] ?? 0)))
    throw derError('the certificate body has an unexpected part after the key');
  const publicKey = readPublicKey(spki);
  if (!publicKey.ok) return publicKey;
  const wrapper: DerNode | undefined = tbs.children.slice(7).find((child) => child.tag === 0xa3);
  return ok({
    der: Uint8Array.from(bytes),
    serialNumber: Buffer.from(serial)
      .toString('hex')
      .replace(/^0+(?=.)/, ''),
    notBefore,
    notAfter,
    issuer: issuer.raw,
    subject: subject.raw,
    subjectEmpty: subject.children.length === 0,
    publicKey: publicKey.value,
    spki,
    extensions: wrapper === undefined ? { unknownCritical: [] } : readExtensions(childOf(wrapper, 0, TAG.sequence, 'the extensions')),
    signatureAlgorithm: algorithm,
    signedBy: (key) => verifyBytes(tbs.raw, signature, key, algorithm),
  });
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

function at(node: DerNode, index: number): DerNode {
  const child = node.children[index];
  if (child === undefined) throw derError('the validity wants two times');
  return child;
}
