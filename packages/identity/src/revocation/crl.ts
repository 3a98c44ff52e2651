import type { KeyObject } from 'node:crypto';
import { errorText, ok, type Result } from '@xebec/core';
import type { Certificate } from '../certificate.ts';
import {
  bitString,
  childOf,
  type DerNode,
  der,
  derError,
  readDer,
  readOctets,
  readOid,
  readTime,
  sequence,
  TAG,
  time,
  unsignedInteger,
} from '../der.ts';
import { authorityKeyIdExtension, extension, keyIdentifier } from '../extensions.ts';
import { verifyBytes } from '../keys.ts';
import { decodePem, encodePem } from '../pem.ts';
import { type Refusal, refuse } from '../refusal.ts';
import { afterSigning, type LocalSigner, type Signer } from '../signer.ts';

/** A certificate revocation list, version 2 (RFC 5280 5), as far as the mesh reads it. */
export interface RevocationList {
  readonly der: Uint8Array;
  /** Name as DER: compared byte by byte. */
  readonly issuer: Uint8Array;
  /** Milliseconds since the epoch. */
  readonly thisUpdate: number;
  /** When a newer one is there at the latest; undefined where the list does not say. */
  readonly nextUpdate?: number;
  /** Revoked certificates: when, by serial number in lower-case hex without leading zeros. */
  readonly revoked: ReadonlyMap<string, number>;
  /** Whether the list is signed by that key. */
  signedBy(key: KeyObject): boolean;
}

export interface RevocationListTemplate {
  /** Grows with each list of an issuer (RFC 5280 5.2.3). */
  readonly number: number;
  /** Milliseconds since the epoch. */
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  readonly revoked: readonly { readonly serialNumber: string; readonly revokedAt: number }[];
}

const OID_CRL_NUMBER = '2.5.29.20';
/** Extensions whose meaning this reader knows; another critical one may narrow what the list says. */
const KNOWN = new Set([OID_CRL_NUMBER, '2.5.29.35']);
const MAX_LIST_BYTES = 1 << 20;
/** Of a text with the lists of several authorities. */
const MAX_LISTS_BYTES = 8 << 20;
/** Public authorities revoke thousands; a list of 1 MiB holds some 25,000. */
const MAX_REVOKED = 20_000;
/** Each entry has three elements, five more where it gives a reason, and three for each further extension. */
const MAX_ELEMENTS = 12 * MAX_REVOKED;
const VERSION_2 = Uint8Array.of(1);

/** Signs a list as the CA that signs the certificates: the DER. The CA's certificate must allow cRLSign. */
export function createRevocationList(issuer: Certificate, signer: LocalSigner, template: RevocationListTemplate): Uint8Array;
export function createRevocationList(
  issuer: Certificate,
  signer: Signer,
  template: RevocationListTemplate,
): Uint8Array | Promise<Uint8Array>;
export function createRevocationList(
  issuer: Certificate,
  signer: Signer,
  template: RevocationListTemplate,
): Uint8Array | Promise<Uint8Array> {
  const entries = template.revoked.map(({ serialNumber, revokedAt }) => sequence(unsignedInteger(bytesOf(serialNumber)), time(revokedAt)));
  const keyId = issuer.extensions.subjectKeyId ?? keyIdentifier(issuer.spki);
  const number = extension(OID_CRL_NUMBER, false, unsignedInteger(bytesOf(template.number.toString(16))));
  const tbs = sequence(
    unsignedInteger(VERSION_2),
    signer.algorithm,
    issuer.subject,
    time(template.thisUpdate),
    time(template.nextUpdate),
    ...(entries.length === 0 ? [] : [sequence(...entries)]),
    der(0xa0, sequence(authorityKeyIdExtension(keyId), number)),
  );
  return afterSigning(signer.sign(tbs), (signature) => sequence(tbs, signer.algorithm, bitString(signature)));
}

export function readRevocationList(bytes: Uint8Array): Result<RevocationList, Refusal> {
  if (bytes.length > MAX_LIST_BYTES)
    return refuse('E_CRL', `the revocation list has ${bytes.length} bytes, at most ${MAX_LIST_BYTES} are read`);
  try {
    return ok(read(bytes));
  } catch (error) {
    return refuse('E_CRL', `the revocation list cannot be read: ${errorText(error)}`);
  }
}

/** Every list of a PEM text, in order. */
export function parseRevocationLists(pem: string): Result<RevocationList[], Refusal> {
  const blocks = decodePem(pem, 'X509 CRL', MAX_LISTS_BYTES);
  if (!blocks.ok) return blocks;
  const lists: RevocationList[] = [];
  for (const block of blocks.value) {
    const list = readRevocationList(block);
    if (!list.ok) return list;
    lists.push(list.value);
  }
  return ok(lists);
}

export function revocationListPem(list: Uint8Array): string {
  return encodePem('X509 CRL', list);
}

/** Checks that a list is by one of those CAs, which may sign lists, and in force at `now`. */
export function checkRevocationList(list: RevocationList, authorities: readonly Certificate[], now: number): Result<Certificate, Refusal> {
  const named = authorities.filter((authority) => Buffer.from(authority.subject).equals(list.issuer));
  if (named.length === 0) return refuse('E_CRL', 'the revocation list is of no CA that is known here');
  const allowed = named.filter(({ extensions }) => extensions.keyUsage === undefined || extensions.keyUsage.usages.has('cRLSign'));
  if (allowed.length === 0) return refuse('E_CRL', 'the CA of the revocation list lacks the key usage cRLSign');
  const issuer = allowed.find((authority) => list.signedBy(authority.publicKey));
  if (issuer === undefined) return refuse('E_CRL', 'the revocation list is not signed by the CA that it names');
  if (list.thisUpdate > now) return refuse('E_CRL', `the revocation list is valid only from ${new Date(list.thisUpdate).toISOString()}`);
  if (list.nextUpdate !== undefined && list.nextUpdate <= now)
    return refuse('E_CRL', `the revocation list is out of date since ${new Date(list.nextUpdate).toISOString()}`);
  return ok(issuer);
}

function read(bytes: Uint8Array): RevocationList {
  const root = readDer(bytes, MAX_ELEMENTS);
  if (root.tag !== TAG.sequence) throw derError('the list is no SEQUENCE');
  const tbs = childOf(root, 0, TAG.sequence, 'the body');
  const algorithm = readOid(childOf(childOf(root, 1, TAG.sequence, 'the signature algorithm'), 0, TAG.oid, 'the signature algorithm'));
  const signature = readOctets(childOf(root, 2, TAG.bitString, 'the signature'), 'the signature');
  const parts = [...tbs.children];
  const version = parts[0]?.tag === TAG.integer ? parts.shift() : undefined;
  if (version !== undefined && version.content[0] !== 1) throw derError('only version 2 lists are read');
  const inner = parts.shift();
  if (inner === undefined || readOid(childOf(inner, 0, TAG.oid, 'the inner algorithm')) !== algorithm)
    throw derError('the two signature algorithms differ');
  const issuer = parts.shift();
  const thisUpdate = parts.shift();
  if (issuer?.tag !== TAG.sequence || thisUpdate === undefined) throw derError('issuer or time is missing');
  const next = isTime(parts[0]) ? parts.shift() : undefined;
  const entries = parts[0]?.tag === TAG.sequence ? parts.shift() : undefined;
  const extensions = parts[0]?.tag === 0xa0 ? parts.shift() : undefined;
  if (parts.length > 0) throw derError('the body has more than it may have');
  if (extensions !== undefined) refuseUnknown(childOf(extensions, 0, TAG.sequence, 'the extensions'));
  return {
    der: Uint8Array.from(bytes),
    issuer: issuer.raw,
    thisUpdate: readTime(thisUpdate),
    ...(next === undefined ? {} : { nextUpdate: readTime(next) }),
    revoked: readEntries(entries),
    signedBy: (key) => verifyBytes(tbs.raw, signature, key, algorithm),
  };
}

function readEntries(entries: DerNode | undefined): Map<string, number> {
  const revoked = new Map<string, number>();
  for (const entry of entries?.children ?? []) {
    const serial = childOf(entry, 0, TAG.integer, 'a serial number');
    const at = entry.children[1];
    if (at === undefined) throw derError('an entry has no time');
    const extensions = entry.children[2];
    if (extensions !== undefined) refuseUnknown(extensions, new Set());
    const hex = Buffer.from(serial.content)
      .toString('hex')
      .replace(/^0+(?=.)/, '');
    revoked.set(hex, readTime(at));
    if (revoked.size > MAX_REVOKED) throw derError(`more than ${MAX_REVOKED} certificates are revoked`);
  }
  return revoked;
}

/** RFC 5280 5.2: a list with a critical extension that is not known must not be used. */
function refuseUnknown(list: DerNode, known: ReadonlySet<string> = KNOWN): void {
  for (const item of list.children) {
    const id = readOid(childOf(item, 0, TAG.oid, "an extension's identifier"));
    const critical = item.children[1]?.tag === TAG.boolean && item.children[1].content[0] === 0xff;
    if (critical && !known.has(id)) throw derError(`the critical extension ${id} is not known`);
  }
}

function isTime(node: DerNode | undefined): boolean {
  return node?.tag === TAG.utcTime || node?.tag === TAG.generalizedTime;
}

function bytesOf(hex: string): Uint8Array {
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
}
