import { ok, type Result } from '@xebec/core';
import type { Authority } from './authority.ts';
import { BACKDATE_MS, positiveSerial, VERSION_3 } from './certificate-body.ts';
import type { CertificateRequest } from './csr.ts';
import { bitString, der, oid, sequence, TAG, time, unsignedInteger } from './der.ts';
import {
  authorityKeyIdExtension,
  basicConstraintsExtension,
  extendedKeyUsageExtension,
  keyIdentifier,
  keyUsageExtension,
  subjectAltNameExtension,
} from './extensions.ts';
import { OID } from './oids.ts';
import { quoted, type Refusal, refuse } from './refusal.ts';
import { afterSigning, type LocalSigner, type Signer } from './signer.ts';

const MAX_DNS_NAMES = 64;

export interface TtlPolicy {
  readonly defaultTtlMs: number;
  readonly maxTtlMs: number;
}

/** The life a request gets: the default for none, as in Istio for 0 and less, an `E_TTL` (never a silent cut) above the maximum. */
export function certificateTtlMs(requestedSeconds: bigint, policy: TtlPolicy): Result<number, Refusal> {
  if (requestedSeconds <= 0n) return ok(policy.defaultTtlMs);
  if (requestedSeconds * 1000n > BigInt(policy.maxTtlMs)) {
    return refuse('E_TTL', `the requested TTL of ${requestedSeconds} s is greater than the maximum of ${policy.maxTtlMs / 1000} s`);
  }
  return ok(Number(requestedSeconds) * 1000);
}

export interface LeafTemplate {
  /** SANs come from the authenticated caller alone, never from the request. */
  readonly uri: string;
  readonly dnsNames?: readonly string[];
  readonly ttlMs: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** 16 random bytes. */
  readonly serial: Uint8Array;
}

/** What was signed, as far as it is known without reading it back: reading costs more than writing it did. */
export interface IssuedLeaf {
  readonly der: Uint8Array;
  /** Lower-case hex without leading zeros. */
  readonly serialNumber: string;
  /** Milliseconds since the epoch, whole seconds: what stands in the certificate. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** The parts of a leaf that are the same for all of one signer. */
interface ConstantParts {
  readonly algorithmAndIssuer: Uint8Array;
  readonly extensions: Uint8Array;
}

const EMPTY_NAME = sequence();
/** RFC 5280's upper bound of a common name. */
const MAX_COMMON_NAME = 64;
const LEAF_EXTENSIONS = [
  keyUsageExtension(['digitalSignature', 'keyEncipherment']),
  extendedKeyUsageExtension(),
  basicConstraintsExtension(false),
];
/** Worth keeping: making them costs as much as the rest of a leaf, signature apart. */
const constantParts = new WeakMap<Authority<Signer>, ConstantParts>();

function constantPartsOf(authority: Authority<Signer>): ConstantParts {
  let parts = constantParts.get(authority);
  if (parts === undefined) {
    const { certificate, signer } = authority;
    const keyId = certificate.extensions.subjectKeyId ?? keyIdentifier(certificate.spki);
    parts = {
      algorithmAndIssuer: Buffer.concat([signer.algorithm, certificate.subject]),
      extensions: Buffer.concat([...LEAF_EXTENSIONS, authorityKeyIdExtension(keyId)]),
    };
    constantParts.set(authority, parts);
  }
  return parts;
}

/**
 * Signs a leaf: empty subject, critical SAN, CA:false, digitalSignature + keyEncipherment, serverAuth + clientAuth; valid from two minutes
 * ago, at most as long as its signer. The signer's own failures are thrown.
 */
export function issueLeaf(authority: Authority, request: CertificateRequest, template: LeafTemplate): Result<IssuedLeaf, Refusal>;
export function issueLeaf(
  authority: Authority<Signer>,
  request: CertificateRequest,
  template: LeafTemplate,
): Result<IssuedLeaf, Refusal> | Promise<Result<IssuedLeaf, Refusal>>;
export function issueLeaf(
  authority: Authority<Signer | LocalSigner>,
  request: CertificateRequest,
  template: LeafTemplate,
): Result<IssuedLeaf, Refusal> | Promise<Result<IssuedLeaf, Refusal>> {
  const { certificate, signer } = authority;
  if (certificate.notAfter <= template.now) {
    return refuse('E_CA_EXPIRED', `the CA certificate expired at ${new Date(certificate.notAfter).toISOString()}; no leaf can be signed`);
  }
  const dnsNames = template.dnsNames ?? [];
  if (dnsNames.length > MAX_DNS_NAMES) return refuse('E_CERTIFICATE', `${dnsNames.length} DNS names are more than ${MAX_DNS_NAMES}`);
  for (const name of [template.uri, ...dnsNames]) {
    if (!/^[\x21-\x7e]{1,2048}$/.test(name)) return refuse('E_CERTIFICATE', `${quoted(name)} cannot be a subject alternative name`);
  }
  const parts = constantPartsOf(authority);
  const serial = positiveSerial(template.serial);
  const notBefore = wholeSeconds(template.now - BACKDATE_MS);
  const notAfter = Math.min(wholeSeconds(template.now + template.ttlMs), certificate.notAfter);
  // RFC 5280 4.2.1.6: critical where the subject is empty; Istio marks it always.
  const names = subjectAltNameExtension({ uris: [template.uri], dnsNames }, true);
  const tbs = sequence(
    VERSION_3,
    unsignedInteger(serial),
    parts.algorithmAndIssuer,
    sequence(time(notBefore), time(notAfter)),
    subjectOf(request, template.uri),
    request.spki,
    der(0xa3, sequence(parts.extensions, names)),
  );
  return afterSigning(signer.sign(tbs), (signature) =>
    ok({
      der: sequence(tbs, signer.algorithm, bitString(signature)),
      serialNumber: Buffer.from(serial.buffer, serial.byteOffset, serial.length).toString('hex'),
      notBefore,
      notAfter,
    }),
  );
}

/** Empty, unless the request has a common name: then the caller's own ID, for servers that know no SAN (Istio's dual-use certificates). */
function subjectOf(request: CertificateRequest, uri: string): Uint8Array {
  return request.hasCommonName && uri.length <= MAX_COMMON_NAME ? commonNameOf(uri) : EMPTY_NAME;
}

function commonNameOf(text: string): Uint8Array {
  return sequence(der(TAG.set, sequence(oid(OID.commonName), der(TAG.utf8String, Buffer.from(text, 'utf8')))));
}

function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1000) * 1000;
}
