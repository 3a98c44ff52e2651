/**
 * Hand-made protobuf framing, so that a response can be put together from resources that were encoded before. All fields
 * here are length-delimited (wire type 2).
 */

/** Bytes that an unsigned varint takes. */
function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 128)) length++;
  return length;
}

function writeVarint(target: Uint8Array, offset: number, value: number): number {
  let position = offset;
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) target[position++] = (rest % 128) | 0x80;
  target[position++] = rest;
  return position;
}

/** Tag and length of a length-delimited field, whose `length` bytes follow. `fieldNumber` must be at most 15. */
export function fieldHead(fieldNumber: number, length: number): Uint8Array {
  const head = new Uint8Array(1 + varintLength(length));
  head[0] = (fieldNumber << 3) | 2;
  writeVarint(head, 1, length);
  return head;
}

/** A length-delimited field: tag, length, value. `fieldNumber` must be at most 15. */
export function bytesField(fieldNumber: number, value: Uint8Array): Uint8Array {
  const head = 1 + varintLength(value.length);
  const field = new Uint8Array(head + value.length);
  field[0] = (fieldNumber << 3) | 2;
  writeVarint(field, 1, value.length);
  field.set(value, head);
  return field;
}

const encoder = new TextEncoder();

/** A string field; nothing at all for the empty string, as proto3 has it. */
export function stringField(fieldNumber: number, value: string): Uint8Array {
  return value === '' ? new Uint8Array(0) : bytesField(fieldNumber, encoder.encode(value));
}

export function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
