import { createHash } from 'node:crypto';
import { bitString, childOf, type DerNode, der, derError, oid, readDer, readOid, sequence, TAG } from './der.ts';
import { OID } from './oids.ts';

/** Bits of KeyUsage in the order of RFC 5280 4.2.1.3. */
const KEY_USAGES = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const;
export type KeyUsage = (typeof KEY_USAGES)[number];

export interface SubjectAltNames {
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  /** Textual addresses are never needed from others' certificates: raw bytes, 4 or 16 of them. */
  readonly ipAddresses: readonly Uint8Array[];
  readonly critical: boolean;
}

export interface CertificateExtensions {
  readonly basicConstraints?: { readonly ca: boolean; readonly pathLength?: number };
  readonly keyUsage?: { readonly usages: ReadonlySet<KeyUsage>; readonly critical: boolean };
  readonly extendedKeyUsage?: readonly string[];
  readonly subjectAltNames?: SubjectAltNames;
  readonly subjectKeyId?: Uint8Array;
  /** Critical extensions that this reader does not know: a certificate with any must be refused (RFC 5280 4.2). */
  readonly unknownCritical: readonly string[];
}

export function extension(id: string, critical: boolean, value: Uint8Array): Uint8Array {
  const flag = critical ? [der(TAG.boolean, Uint8Array.of(0xff))] : [];
  return sequence(oid(id), ...flag, der(TAG.octetString, value));
}

export function keyUsageExtension(usages: readonly KeyUsage[]): Uint8Array {
  let bits = 0;
  for (const usage of usages) bits |= 1 << (15 - KEY_USAGES.indexOf(usage));
  const bytes = (bits & 0xff) === 0 ? [bits >> 8] : [bits >> 8, bits & 0xff];
  let unused = 0;
  while (unused < 7 && ((bytes.at(-1) ?? 0) & (1 << unused)) === 0) unused++;
  return extension(OID.keyUsage, true, bitString(Uint8Array.from(bytes), unused));
}

export function basicConstraintsExtension(ca: boolean): Uint8Array {
  return extension(OID.basicConstraints, true, ca ? sequence(der(TAG.boolean, Uint8Array.of(0xff))) : sequence());
}

export function extendedKeyUsageExtension(): Uint8Array {
  return extension(OID.extendedKeyUsage, false, sequence(oid(OID.serverAuth), oid(OID.clientAuth)));
}

export function subjectAltNameExtension(names: { uris: readonly string[]; dnsNames: readonly string[] }, critical: boolean): Uint8Array {
  const uris = names.uris.map((uri) => der(0x86, Buffer.from(uri, 'latin1')));
  const dns = names.dnsNames.map((name) => der(0x82, Buffer.from(name, 'latin1')));
  return extension(OID.subjectAltName, critical, sequence(...uris, ...dns));
}

/** RFC 5280 4.2.1.2, method 1: SHA-1 of the key's bits. An identifier, not a signature. */
export function keyIdentifier(spki: Uint8Array): Uint8Array {
  const bits = childOf(readDer(spki), 1, TAG.bitString, 'the public key');
  return createHash('sha1').update(bits.content.subarray(1)).digest();
}

export function subjectKeyIdExtension(id: Uint8Array): Uint8Array {
  return extension(OID.subjectKeyIdentifier, false, der(TAG.octetString, id));
}

export function authorityKeyIdExtension(id: Uint8Array): Uint8Array {
  return extension(OID.authorityKeyIdentifier, false, sequence(der(0x80, id)));
}

/** Reads `Extensions ::= SEQUENCE OF Extension`. A repeated extension is refused, as RFC 5280 4.2 says. */
export function readExtensions(list: DerNode): CertificateExtensions {
  const seen = new Set<string>();
  const unknownCritical: string[] = [];
  const found: { -readonly [K in keyof CertificateExtensions]: CertificateExtensions[K] } = { unknownCritical };
  for (const item of list.children) {
    const id = readOid(childOf(item, 0, TAG.oid, "an extension's identifier"));
    if (seen.has(id)) throw derError(`the extension ${id} is there twice`);
    seen.add(id);
    if (item.tag !== TAG.sequence || item.children.length > 3) throw derError('an extension is no SEQUENCE of identifier, flag and value');
    const flag = item.children[1]?.tag === TAG.boolean ? item.children[1] : undefined;
    const critical = flag !== undefined && flag.content[0] === 0xff;
    const value = readDer(childOf(item, flag === undefined ? 1 : 2, TAG.octetString, `the value of extension ${id}`).content);
    switch (id) {
      case OID.basicConstraints:
        found.basicConstraints = readBasicConstraints(value);
        break;
      case OID.keyUsage:
        found.keyUsage = { usages: readKeyUsage(value), critical };
        break;
      case OID.extendedKeyUsage:
        found.extendedKeyUsage = value.children.map(readOid);
        break;
      case OID.subjectAltName:
        found.subjectAltNames = readNames(value, critical);
        break;
      case OID.subjectKeyIdentifier:
        found.subjectKeyId = value.content;
        break;
      case OID.authorityKeyIdentifier:
        break;
      default:
        if (critical) unknownCritical.push(id);
    }
  }
  return found;
}

function readBasicConstraints(value: DerNode): { ca: boolean; pathLength?: number } {
  const [first, second] = value.children;
  const ca = first?.tag === TAG.boolean && first.content[0] === 0xff;
  const length = first?.tag === TAG.integer ? first : second;
  if (length === undefined) return { ca };
  if (length.tag !== TAG.integer || length.content.length !== 1) throw derError('the path length constraint is not a small integer');
  return { ca, pathLength: length.content[0] ?? 0 };
}

function readKeyUsage(value: DerNode): Set<KeyUsage> {
  if (value.tag !== TAG.bitString || value.content.length < 1 || value.content.length > 3)
    throw derError('the key usage is not a bit string');
  const bits = ((value.content[1] ?? 0) << 8) | (value.content[2] ?? 0);
  return new Set(KEY_USAGES.filter((_, index) => (bits & (1 << (15 - index))) !== 0));
}

function readNames(value: DerNode, critical: boolean): SubjectAltNames {
  const uris: string[] = [];
  const dnsNames: string[] = [];
  const ipAddresses: Uint8Array[] = [];
  for (const name of value.children) {
    if (name.tag === 0x87) ipAddresses.push(name.content);
    if (name.tag !== 0x86 && name.tag !== 0x82) continue;
    const text = Buffer.from(name.content).toString('latin1');
    // A NUL in a name has made verifiers read only what stands before it.
    const bad = name.content.find((byte) => byte < 0x21 || byte > 0x7e);
    if (bad !== undefined)
      throw derError(`a subject alternative name has the byte 0x${bad.toString(16).padStart(2, '0')}, which is no printable ASCII`);
    (name.tag === 0x86 ? uris : dnsNames).push(text);
  }
  return { uris, dnsNames, ipAddresses, critical };
}
