import type { KeyObject } from 'node:crypto';
import { errorText, ok, type Result } from '@xebec/core';
import { bitString, childOf, der, derError, oid, readDer, readOid, sequence, TAG, unsignedInteger } from './der.ts';
import { subjectAltNameExtension } from './extensions.ts';
import { type KeyPair, readPublicKey, signatureAlgorithm, signBytes, verifyBytes } from './keys.ts';
import { OID } from './oids.ts';
import { decodePem, encodePem } from './pem.ts';
import { type Refusal, refuse } from './refusal.ts';

/** What a CA may take from a request: the key, proven by the request's own signature. Names in it are nobody's proof and are not read. */
export interface CertificateRequest {
  readonly publicKey: KeyObject;
  readonly spki: Uint8Array;
}

/** An RSA 8192 request with a few names is under 4 kB. */
export const MAX_CSR_BYTES = 16 * 1024;

/** Reads a PEM-encoded PKCS#10 request (RFC 2986) and checks its signature. */
export function parseCsr(pem: string): Result<CertificateRequest, Refusal> {
  if (pem.length > MAX_CSR_BYTES)
    return refuse('E_CSR_SIZE', `the certificate request has ${pem.length} bytes, at most ${MAX_CSR_BYTES} are read`);
  // Old OpenSSL versions write the other label.
  const label = pem.includes('BEGIN NEW CERTIFICATE REQUEST') ? 'NEW CERTIFICATE REQUEST' : 'CERTIFICATE REQUEST';
  const blocks = decodePem(pem, label);
  if (!blocks.ok) return blocks;
  const [block] = blocks.value;
  if (block === undefined || blocks.value.length !== 1)
    return refuse('E_CSR', `${blocks.value.length} certificate requests came, one is expected`);
  try {
    const root = readDer(block);
    if (root.tag !== TAG.sequence) throw derError('the request is no SEQUENCE');
    const info = childOf(root, 0, TAG.sequence, 'the request body');
    const algorithm = readOid(childOf(childOf(root, 1, TAG.sequence, 'the signature algorithm'), 0, TAG.oid, 'the signature algorithm'));
    const signature = childOf(root, 2, TAG.bitString, 'the signature');
    if (root.children.length !== 3) throw derError('the request has more than body, algorithm and signature');
    if (childOf(info, 0, TAG.integer, 'the version').content[0] !== 0) throw derError('the request has another version than 1');
    const spki = childOf(info, 2, TAG.sequence, 'the public key').raw;
    const publicKey = readPublicKey(spki);
    if (!publicKey.ok) return publicKey;
    if (signature.content[0] !== 0 || !verifyBytes(info.raw, signature.content.subarray(1), publicKey.value, algorithm)) {
      return refuse('E_CSR_SIGNATURE', 'the certificate request is not signed by the key it carries');
    }
    return ok({ publicKey: publicKey.value, spki });
  } catch (error) {
    return refuse('E_CSR', `the certificate request cannot be read: ${errorText(error)}`);
  }
}

/** Makes a PEM-encoded PKCS#10 request with an empty subject; `uris` only tell a human reader what is wanted. */
export function createCsr(keys: KeyPair, uris: readonly string[] = []): string {
  const spki = keys.publicKey.export({ format: 'der', type: 'spki' });
  const attributes =
    uris.length === 0
      ? new Uint8Array()
      : sequence(oid(OID.extensionRequest), der(TAG.set, sequence(subjectAltNameExtension({ uris, dnsNames: [] }, true))));
  const info = sequence(unsignedInteger(Uint8Array.of(0)), sequence(), spki, der(0xa0, attributes));
  const request = sequence(info, signatureAlgorithm(keys.privateKey), bitString(signBytes(info, keys.privateKey)));
  return encodePem('CERTIFICATE REQUEST', request);
}
