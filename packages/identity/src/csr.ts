import type { KeyObject } from 'node:crypto';
import { errorText, ok, type Result } from '@xebec/core';
import {
  bitString,
  childOf,
  type DerNode,
  der,
  derError,
  oid,
  readAlgorithm,
  readDer,
  readName,
  readOctets,
  readOid,
  sequence,
  TAG,
  unsignedInteger,
} from './der.ts';
import { readExtensions, subjectAltNameExtension } from './extensions.ts';
import { isSignatureAlgorithm, type KeyPair, readPublicKey, signatureAlgorithm, signBytes, verifyBytes } from './keys.ts';
import { OID } from './oids.ts';
import { decodePem, encodePem } from './pem.ts';
import { type Refusal, refuse } from './refusal.ts';

/** What a CA may take from a request: the key, proven by the request's own signature. Names in it are nobody's proof and are not taken. */
export interface CertificateRequest {
  readonly publicKey: KeyObject;
  readonly spki: Uint8Array;
  /** Whether the subject has a common name, whatever it says: the sender wants one in the certificate. */
  readonly hasCommonName: boolean;
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
    return readRequest(block);
  } catch (error) {
    return refuse('E_CSR', `the certificate request cannot be read: ${errorText(error)}`);
  }
}

function readRequest(bytes: Uint8Array): Result<CertificateRequest, Refusal> {
  const root = readDer(bytes);
  if (root.tag !== TAG.sequence) throw derError('the request is no SEQUENCE');
  if (root.children.length !== 3) throw derError('the request has other parts than body, algorithm and signature');
  const info = childOf(root, 0, TAG.sequence, 'the request body');
  const algorithm = readAlgorithm(childOf(root, 1, TAG.sequence, 'the signature algorithm'), 'the signature algorithm');
  const signature = readOctets(childOf(root, 2, TAG.bitString, 'the signature'), 'the signature');
  const version = childOf(info, 0, TAG.integer, 'the version').content;
  if (version.length !== 1 || version[0] !== 0) throw derError('the request has another version than 1');
  const hasCommonName = readName(childOf(info, 1, TAG.sequence, 'the subject'), 'the subject').includes(OID.commonName);
  const spki = childOf(info, 2, TAG.sequence, 'the public key').raw;
  // Some clients leave empty attributes out, which RFC 2986 does not allow and everybody reads.
  if (info.children.length > 3) readAttributes(childOf(info, 3, 0xa0, 'the attributes'));
  if (info.children.length > 4) throw derError('the request body has more than version, subject, key and attributes');
  const publicKey = readPublicKey(spki);
  if (!publicKey.ok) return publicKey;
  if (!isSignatureAlgorithm(algorithm))
    return refuse(
      'E_CSR_ALGORITHM',
      `the certificate request is signed with ${algorithm}; use SHA-256 or stronger with RSA or ECDSA, or Ed25519`,
    );
  if (!verifyBytes(info.raw, signature, publicKey.value, algorithm))
    return refuse('E_CSR_SIGNATURE', 'the certificate request is not signed by the key it carries');
  return ok({ publicKey: publicKey.value, spki, hasCommonName });
}

/** RFC 2986 4.1: each attribute is an identifier and a non-empty SET. What they ask for is not taken, but must be well formed. */
function readAttributes(list: DerNode): void {
  const seen = new Set<string>();
  for (const attribute of list.children) {
    if (attribute.tag !== TAG.sequence || attribute.children.length !== 2)
      throw derError('an attribute is no pair of identifier and values');
    const id = readOid(childOf(attribute, 0, TAG.oid, "an attribute's identifier"));
    if (seen.has(id)) throw derError(`the attribute ${id} is there twice`);
    seen.add(id);
    const values = childOf(attribute, 1, TAG.set, `the values of attribute ${id}`);
    if (values.children.length === 0) throw derError(`the attribute ${id} has no values`);
    if (id === OID.extensionRequest) readExtensions(childOf(values, 0, TAG.sequence, 'the requested extensions'));
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
