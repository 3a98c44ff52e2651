import { type KeyObject, sign } from 'node:crypto';
import { bitString, der, oid, sequence, TAG, time, unsignedInteger } from '../der.ts';
import {
  basicConstraintsExtension,
  extendedKeyUsageExtension,
  extension,
  type KeyUsage,
  keyUsageExtension,
  subjectAltNameExtension,
} from '../extensions.ts';
import { signatureAlgorithm } from '../keys.ts';
import { OID } from '../oids.ts';

/** Made for specs alone: certificates and requests of any shape, right or wrong. */
export const NOW = Date.UTC(2026, 10, 21);
export const HOUR = 3_600_000;
export const ID = 'spiffe://cluster.local/ns/default/sa/reviews';

export interface Shape {
  readonly version: Uint8Array;
  readonly serial: Uint8Array;
  readonly innerAlgorithm: Uint8Array;
  readonly outerAlgorithm: Uint8Array;
  readonly issuer: Uint8Array;
  readonly validity: Uint8Array;
  readonly subject: Uint8Array;
  readonly spki: Uint8Array;
  readonly extensions: readonly Uint8Array[];
  /** What stands after the key instead of the extensions. */
  readonly tail?: readonly Uint8Array[];
  /** Digest of the signature; null where the key brings its own. */
  readonly hash: string | null;
  readonly signer: KeyObject;
  readonly changeSignature?: (signature: Uint8Array) => Uint8Array;
}

export const name = (text: string): Uint8Array =>
  sequence(der(TAG.set, sequence(oid(OID.commonName), der(TAG.utf8String, Buffer.from(text)))));
export const validity = (from: number, to: number): Uint8Array => sequence(time(from), time(to));
export const spkiOf = (key: KeyObject): Uint8Array => key.export({ format: 'der', type: 'spki' });
export const algorithm = (id: string): Uint8Array => sequence(oid(id));

/** A leaf that is right in everything, but for what `change` says. */
export function leafShape(issuer: Uint8Array, signer: KeyObject, spki: Uint8Array, change: Partial<Shape> = {}): Shape {
  const signed = signatureAlgorithm(signer);
  return {
    version: der(0xa0, unsignedInteger(Uint8Array.of(2))),
    serial: unsignedInteger(Uint8Array.of(0x41, 2, 3, 4)),
    innerAlgorithm: signed,
    outerAlgorithm: change.innerAlgorithm ?? signed,
    issuer,
    validity: validity(NOW - HOUR, NOW + HOUR),
    subject: sequence(),
    spki,
    extensions: leafExtensions(),
    hash: signer.asymmetricKeyType === 'ed25519' ? null : 'sha256',
    signer,
    ...change,
  };
}

export function certificateOf(shape: Shape): Uint8Array {
  const tail = shape.tail ?? [der(0xa3, sequence(...shape.extensions))];
  const parts = [shape.version, shape.serial, shape.innerAlgorithm, shape.issuer, shape.validity, shape.subject, shape.spki, ...tail];
  const body = sequence(...parts);
  const signature = sign(shape.hash, body, shape.signer);
  return sequence(body, shape.outerAlgorithm, bitString(shape.changeSignature?.(signature) ?? signature));
}

export interface LeafNames {
  readonly uris?: readonly string[];
  readonly usage?: readonly KeyUsage[];
  readonly criticalNames?: boolean;
  readonly without?: string;
  readonly more?: readonly Uint8Array[];
}

/** The extensions of a good leaf, one changed or left out by its OID. */
export function leafExtensions(change: LeafNames = {}): Uint8Array[] {
  const all: readonly [string, Uint8Array][] = [
    [OID.keyUsage, keyUsageExtension(change.usage ?? ['digitalSignature', 'keyEncipherment'])],
    [OID.extendedKeyUsage, extendedKeyUsageExtension()],
    [OID.basicConstraints, basicConstraintsExtension(false)],
    [OID.subjectAltName, subjectAltNameExtension({ uris: change.uris ?? [ID], dnsNames: [] }, change.criticalNames ?? true)],
  ];
  return [...all.filter(([id]) => id !== change.without).map(([, bytes]) => bytes), ...(change.more ?? [])];
}

export function caExtensions(
  change: { ca?: boolean; pathLength?: number; usage?: readonly KeyUsage[]; more?: readonly Uint8Array[] } = {},
): Uint8Array[] {
  const flag = change.ca === false ? [] : [der(TAG.boolean, Uint8Array.of(0xff))];
  const length = change.pathLength === undefined ? [] : [unsignedInteger(Uint8Array.of(change.pathLength))];
  return [
    keyUsageExtension(change.usage ?? ['keyCertSign', 'cRLSign']),
    extension(OID.basicConstraints, true, sequence(...flag, ...length)),
    ...(change.more ?? []),
  ];
}

/** A certificate request of any shape (RFC 2986). */
export interface RequestShape {
  readonly version: Uint8Array;
  readonly subject: Uint8Array;
  readonly spki: Uint8Array;
  readonly attributes: readonly Uint8Array[];
  readonly more: readonly Uint8Array[];
  readonly algorithm: Uint8Array;
  readonly hash: string | null;
  readonly signer: KeyObject;
  readonly signatureBits: (signature: Uint8Array) => Uint8Array;
}

export function requestOf(signer: KeyObject, publicKey: KeyObject, change: Partial<RequestShape> = {}): Uint8Array {
  const shape: RequestShape = {
    version: unsignedInteger(Uint8Array.of(0)),
    subject: sequence(),
    spki: spkiOf(publicKey),
    attributes: [der(0xa0)],
    more: [],
    algorithm: change.algorithm ?? signatureAlgorithm(signer),
    hash: signer.asymmetricKeyType === 'ed25519' ? null : 'sha256',
    signer,
    signatureBits: (signature) => bitString(signature),
    ...change,
  };
  const body = sequence(shape.version, shape.subject, shape.spki, ...shape.attributes);
  return sequence(body, shape.algorithm, shape.signatureBits(sign(shape.hash, body, shape.signer)), ...shape.more);
}

/** Replaces one element's bytes inside a larger one, wherever it stands first; lengths are the caller's affair. */
export function replaceBytes(bytes: Uint8Array, from: Uint8Array, to: Uint8Array): Uint8Array {
  const at = Buffer.from(bytes).indexOf(from);
  if (at === -1) throw new Error('the bytes are not there');
  return Buffer.concat([bytes.subarray(0, at), to, bytes.subarray(at + from.length)]);
}
