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

export function derError(message: string): XebecError {
  return new XebecError('E_DER', message);
}

/** Reads exactly one element. Throws a XebecError `E_DER` on anything that is not DER. */
export function readDer(bytes: Uint8Array): DerNode {
  const budget = { nodes: MAX_NODES };
  const node = readNode(bytes, 0, 0, budget);
  if (node.raw.length !== bytes.length) throw derError(`${bytes.length - node.raw.length} bytes follow the DER element`);
  return node;
}

function readNode(bytes: Uint8Array, start: number, depth: number, budget: { nodes: number }): DerNode {
  if (depth > MAX_DEPTH) throw derError(`DER is nested deeper than ${MAX_DEPTH}`);
  if (--budget.nodes < 0) throw derError(`DER has more than ${MAX_NODES} elements`);
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
  const children: DerNode[] = [];
  if ((tag & 0x20) !== 0) {
    for (let at = offset; at < end; ) {
      const child = readNode(bytes.subarray(0, end), at, depth + 1, budget);
      children.push(child);
      at += child.raw.length;
    }
  }
  return { tag, content: bytes.subarray(offset, end), raw: bytes.subarray(start, end), children };
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

export function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const head = [tag];
  if (length < 0x80) head.push(length);
  else {
    const octets: number[] = [];
    for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest & 0xff);
    head.push(0x80 | octets.length, ...octets);
  }
  return Buffer.concat([Uint8Array.from(head), ...parts]);
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
  return der(TAG.integer, pad ? Uint8Array.of(0) : new Uint8Array(), trimmed);
}

export function bitString(bytes: Uint8Array, unusedBits = 0): Uint8Array {
  return der(TAG.bitString, Uint8Array.of(unusedBits), bytes);
}

/** RFC 5280 4.1.2.5: UTCTime through 2049, GeneralizedTime after. Milliseconds are cut off. */
export function time(ms: number): Uint8Array {
  const digits = new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  const late = Number(digits.slice(0, 4)) >= 2050;
  return der(late ? TAG.generalizedTime : TAG.utcTime, Buffer.from(late ? digits : digits.slice(2), 'latin1'));
}
