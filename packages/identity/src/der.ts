import { XebecError } from '@xebec/core';

/**
 * DER (X.690) as far as certificates need it. Strict and bounded: definite minimal lengths, single-byte tags, no bytes left over.
 * An own reader of one page because a sidecar makes its first request within milliseconds of its start, where loading a general
 * ASN.1 library costs more than the whole request.
 */
export interface DerNode {
  /** Identifier octet, class and constructed bit included: 0x30 is SEQUENCE, 0xa0 is [0] constructed. */
  readonly tag: number;
  readonly content: Uint8Array;
  /** Identifier, length and content: what signatures cover. */
  readonly raw: Uint8Array;
  /** Empty for primitive types. */
  readonly children: readonly DerNode[];
}

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  sequence: 0x30,
  set: 0x31,
  utcTime: 0x17,
  generalizedTime: 0x18,
} as const;

const MAX_DEPTH = 24;
const MAX_NODES = 4096;
const NO_CHILDREN: readonly DerNode[] = [];
const ZERO = Uint8Array.of(0);

export function derError(message: string): XebecError {
  return new XebecError('E_DER', message);
}

/** Reads exactly one element, of `maxNodes` parts at most. Throws a XebecError `E_DER` on anything that is not DER. */
export function readDer(bytes: Uint8Array, maxNodes = MAX_NODES): DerNode {
  const budget = { nodes: maxNodes, max: maxNodes };
  const node = readNode(bytes, 0, 0, budget);
  if (node.raw.length !== bytes.length) throw derError(`${bytes.length - node.raw.length} bytes follow the DER element`);
  return node;
}

function readNode(bytes: Uint8Array, start: number, depth: number, budget: { nodes: number; readonly max: number }): DerNode {
  if (depth > MAX_DEPTH) throw derError(`DER is nested deeper than ${MAX_DEPTH}`);
  if (--budget.nodes < 0) throw derError(`DER has more than ${budget.max} elements`);
  const tag = bytes[start];
  const first = bytes[start + 1];
  if (tag === undefined || first === undefined) throw derError(`DER ends within an element at byte ${start}`);
  if ((tag & 0x1f) === 0x1f) throw derError(`DER has a multi-byte tag at byte ${start}`);
  let length = first;
  let offset = start + 2;
  if (first >= 0x80) {
    const octets = first & 0x7f;
    if (octets === 0 || octets > 4) throw derError(`DER has an indefinite or oversize length at byte ${start + 1}`);
    length = 0;
    for (let i = 0; i < octets; i++) length = length * 256 + (bytes[offset + i] ?? 0);
    offset += octets;
    if (length < 0x80 || length < 256 ** (octets - 1)) throw derError(`DER has a length that is not minimal at byte ${start + 1}`);
  }
  const end = offset + length;
  if (end > bytes.length) throw derError(`DER is truncated: an element at byte ${start} wants ${end - bytes.length} bytes more`);
  const content = bytes.subarray(offset, end);
  if ((tag & 0x20) === 0) {
    checkPrimitive(tag, content, start);
    return { tag, content, raw: bytes.subarray(start, end), children: NO_CHILDREN };
  }
  const children: DerNode[] = [];
  for (let at = 0; at < content.length; ) {
    const child = readNode(content, at, depth + 1, budget);
    children.push(child);
    at += child.raw.length;
  }
  return { tag, content, raw: bytes.subarray(start, end), children };
}

/** X.690 8.2, 8.3 and 11.2: one encoding for each value. SEQUENCE and SET are never primitive. */
function checkPrimitive(tag: number, content: Uint8Array, at: number): void {
  const [first = 0, second = 0] = content;
  switch (tag) {
    case TAG.boolean:
      if (content.length !== 1 || (first !== 0 && first !== 0xff))
        throw derError(`DER has a BOOLEAN that is neither 00 nor FF at byte ${at}`);
      return;
    case TAG.integer:
      if (content.length === 0) throw derError(`DER has an empty INTEGER at byte ${at}`);
      if (content.length > 1 && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80)))
        throw derError(`DER has an INTEGER that is not minimal at byte ${at}`);
      return;
    case TAG.bitString:
      if (content.length === 0 || first > 7 || (content.length === 1 && first !== 0))
        throw derError(`DER has a BIT STRING without its count of unused bits at byte ${at}`);
      if (((content[content.length - 1] ?? 0) & ((1 << first) - 1)) !== 0 && content.length > 1)
        throw derError(`DER has a BIT STRING whose unused bits are set at byte ${at}`);
      return;
    case TAG.null:
      if (content.length !== 0) throw derError(`DER has a NULL with a value at byte ${at}`);
      return;
    case 0x10:
    case 0x11:
      throw derError(`DER has a primitive SEQUENCE or SET at byte ${at}`);
  }
}

/** The child at `index`, of that tag, or an `E_DER` that names what was wanted. */
export function childOf(node: DerNode, index: number, tag: number, what: string): DerNode {
  const child = node.children[index];
  if (child?.tag !== tag) throw derError(`${what} is missing or of the wrong type`);
  return child;
}

export function readOid(node: DerNode): string {
  const bytes = node.content;
  if (node.tag !== TAG.oid || bytes.length === 0 || bytes.length > 64) throw derError('an object identifier was expected');
  const arcs: number[] = [];
  let value = 0;
  for (const [index, byte] of bytes.entries()) {
    if (value === 0 && byte === 0x80) throw derError('an object identifier has an arc that is not minimal');
    if (value > 2 ** 40) throw derError('an object identifier has an arc that is too large');
    value = value * 128 + (byte & 0x7f);
    if ((byte & 0x80) !== 0) {
      if (index === bytes.length - 1) throw derError('an object identifier is truncated');
      continue;
    }
    if (arcs.length === 0) {
      const root = Math.min(2, Math.floor(value / 40));
      arcs.push(root, value - root * 40);
    } else arcs.push(value);
    value = 0;
  }
  return arcs.join('.');
}

/** The bytes of a BIT STRING that has whole bytes: keys and signatures. */
export function readOctets(node: DerNode, what: string): Uint8Array {
  if (node.tag !== TAG.bitString || node.content[0] !== 0 || node.content.length < 2) throw derError(`${what} is not made of whole bytes`);
  return node.content.subarray(1);
}

/** The object identifier of an AlgorithmIdentifier that has no parameters but NULL, which is all that signatures here may have. */
export function readAlgorithm(node: DerNode, what: string): string {
  const [, parameters] = node.children;
  if (node.children.length > 2 || (parameters !== undefined && parameters.tag !== TAG.null)) throw derError(`${what} has parameters`);
  return readOid(childOf(node, 0, TAG.oid, what));
}

/** Identifiers of the attributes of an RDNSequence (RFC 5280 4.1.2.4), in order. */
export function readName(node: DerNode, what: string): string[] {
  const found: string[] = [];
  for (const part of node.children) {
    if (part.tag !== TAG.set || part.children.length === 0) throw derError(`${what} has a part that is no SET of attributes`);
    for (const attribute of part.children) {
      if (attribute.tag !== TAG.sequence || attribute.children.length !== 2) throw derError(`${what} has a part without type and value`);
      found.push(readOid(childOf(attribute, 0, TAG.oid, what)));
    }
  }
  return found;
}

/** UTCTime or GeneralizedTime in the one form that RFC 5280 4.1.2.5 allows, as milliseconds since the epoch. */
export function readTime(node: DerNode): number {
  const text = Buffer.from(node.content).toString('latin1');
  const match =
    node.tag === TAG.utcTime
      ? /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text)
      : node.tag === TAG.generalizedTime
        ? /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text)
        : null;
  if (match === null) throw derError('a time is not in the form that RFC 5280 asks for');
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number);
  const fullYear = node.tag === TAG.utcTime ? (year < 50 ? 2000 + year : 1900 + year) : year;
  const time = Date.UTC(fullYear, month - 1, day, hour, minute, second);
  const back = new Date(time);
  if (back.getUTCMonth() !== month - 1 || back.getUTCDate() !== day || hour > 23 || minute > 59 || second > 59) {
    throw derError('a time does not exist in the calendar');
  }
  return time;
}

/** One element, its content in parts. Written in one piece: certificates are made of some thirty. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const lengthBytes = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x1_0000 ? 2 : length < 0x100_0000 ? 3 : 4;
  let at = 2 + lengthBytes;
  const bytes = new Uint8Array(at + length);
  bytes[0] = tag;
  bytes[1] = lengthBytes === 0 ? length : 0x80 | lengthBytes;
  for (let i = 0, rest = length; i < lengthBytes; i++, rest = Math.floor(rest / 256)) bytes[1 + lengthBytes - i] = rest & 0xff;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

export const sequence = (...parts: readonly Uint8Array[]): Uint8Array => der(TAG.sequence, ...parts);

export function oid(text: string): Uint8Array {
  const [root = 0, second = 0, ...rest] = text.split('.').map(Number);
  const bytes: number[] = [];
  for (const arc of [root * 40 + second, ...rest]) {
    const groups = [arc & 0x7f];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return der(TAG.oid, Uint8Array.from(bytes));
}

/** A non-negative INTEGER of big-endian bytes: leading zeros go, and one comes where the sign bit would be set. */
export function unsignedInteger(bytes: Uint8Array): Uint8Array {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const trimmed = bytes.subarray(start);
  const pad = (trimmed[0] ?? 0) >= 0x80 || trimmed.length === 0;
  return pad ? der(TAG.integer, ZERO, trimmed) : der(TAG.integer, trimmed);
}

export function bitString(bytes: Uint8Array, unusedBits = 0): Uint8Array {
  return der(TAG.bitString, unusedBits === 0 ? ZERO : Uint8Array.of(unusedBits), bytes);
}

/** RFC 5280 4.1.2.5: UTCTime through 2049, GeneralizedTime after. Milliseconds are cut off. */
export function time(ms: number): Uint8Array {
  const date = new Date(ms);
  const year = date.getUTCFullYear();
  const parts = [date.getUTCMonth() + 1, date.getUTCDate(), date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()];
  let digits = year >= 2050 ? String(year).padStart(4, '0') : twoDigits(year % 100);
  for (const part of parts) digits += twoDigits(part);
  return der(year >= 2050 ? TAG.generalizedTime : TAG.utcTime, Buffer.from(`${digits}Z`, 'latin1'));
}

function twoDigits(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}
