/**
 * RFC 7541 appendix B. The code is canonical: the lengths below, symbol 0 to 255, determine every code; EOS has 30 bits, all
 * ones.
 */
const lengths: readonly number[] = [
  ...[13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28],
  ...[6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10],
  ...[13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6],
  ...[15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28],
  ...[20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24],
  ...[22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23],
  ...[26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27],
  ...[20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26],
];

const codes = canonicalCodes();

function canonicalCodes(): Uint32Array {
  const order = lengths.map((_length, symbol) => symbol).sort((a, b) => at(lengths, a) - at(lengths, b) || a - b);
  const result = new Uint32Array(256);
  let code = 0;
  let length = 0;
  for (const symbol of order) {
    code *= 2 ** (at(lengths, symbol) - length);
    length = at(lengths, symbol);
    result[symbol] = code++;
  }
  return result;
}

/*
 * The decoder walks the code tree four bits at a time. A state is an inner node of the tree; `transitions[state * 16 + nibble]`
 * holds the next state (bits 0 to 8), whether a symbol ended (bit 9), the symbol (bits 10 to 17), whether the input may end here
 * (bit 18), or -1 for EOS. No code is shorter than five bits, so a nibble ends at most one symbol.
 */
const transitions = buildTransitions();

function buildTransitions(): Int32Array {
  // children[2n] and children[2n + 1]: inner node (≥ 0), leaf (-2 - symbol) or nothing yet (-1).
  const children: number[] = [-1, -1];
  const addCode = (code: number, length: number, leaf: number) => {
    let node = 0;
    for (let bit = length - 1; bit > 0; bit--) {
      const slot = 2 * node + (Math.floor(code / 2 ** bit) & 1);
      if (children[slot] === -1) {
        children[slot] = children.length / 2;
        children.push(-1, -1);
      }
      node = at(children, slot);
    }
    children[2 * node + (code & 1)] = leaf;
  };
  for (let symbol = 0; symbol < 256; symbol++) addCode(at(codes, symbol), at(lengths, symbol), -2 - symbol);
  addCode(2 ** 30 - 1, 30, -1);

  // The padding before the end is a run of fewer than eight ones from the root.
  const mayEnd = new Set<number>([0]);
  for (let node = 0, ones = 1; ones < 8; ones++) {
    node = at(children, 2 * node + 1);
    mayEnd.add(node);
  }
  const table = new Int32Array((children.length / 2) * 16);
  for (let state = 0; state < children.length / 2; state++) {
    for (let nibble = 0; nibble < 16; nibble++) {
      let node = state;
      let entry = 0;
      for (let bit = 3; bit >= 0 && entry !== -1; bit--) {
        const next = at(children, 2 * node + ((nibble >> bit) & 1));
        if (next === -1) entry = -1;
        else if (next < -1) {
          entry |= (1 << 9) | ((-2 - next) << 10);
          node = 0;
        } else node = next;
      }
      table[state * 16 + nibble] = entry === -1 ? -1 : entry | node | (mayEnd.has(node) ? 1 << 18 : 0);
    }
  }
  return table;
}

let scratch = Buffer.allocUnsafeSlow(4096);

/** Decodes `bytes[from, to)` into latin1 text; undefined when it holds EOS or ends in wrong padding. */
export function huffmanDecode(bytes: Buffer, from: number, to: number): string | undefined {
  // The shortest code has five bits.
  const maxLength = Math.ceil(((to - from) * 8) / 5);
  if (maxLength > scratch.length) scratch = Buffer.allocUnsafeSlow(maxLength);
  let state = 0;
  let length = 0;
  let entry = 1 << 18;
  for (let i = from; i < to; i++) {
    const byte = bytes[i] as number;
    entry = transitions[state * 16 + (byte >> 4)] as number;
    if (entry < 0) return undefined;
    if ((entry & 512) !== 0) scratch[length++] = (entry >> 10) & 255;
    state = entry & 511;
    entry = transitions[state * 16 + (byte & 15)] as number;
    if (entry < 0) return undefined;
    if ((entry & 512) !== 0) scratch[length++] = (entry >> 10) & 255;
    state = entry & 511;
  }
  return (entry & (1 << 18)) === 0 ? undefined : scratch.toString('latin1', 0, length);
}

/** Bytes that `text` takes when encoded. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += lengths[text.charCodeAt(i) & 255] as number;
  return (bits + 7) >> 3;
}

/** Writes latin1 `text` to `target` from `at` on; returns the offset after it. There must be `huffmanLength` bytes of room. */
export function huffmanEncode(text: string, target: Buffer, offset: number): number {
  let position = offset;
  let pending = 0;
  let pendingBits = 0;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i) & 255;
    // Up to 7 bits wait and a code has up to 30: more than 32, so a float holds them.
    pending = pending * 2 ** (lengths[symbol] as number) + (codes[symbol] as number);
    pendingBits += lengths[symbol] as number;
    while (pendingBits >= 8) {
      pendingBits -= 8;
      const unit = 2 ** pendingBits;
      const byte = Math.floor(pending / unit);
      target[position++] = byte;
      pending -= byte * unit;
    }
  }
  if (pendingBits > 0) target[position++] = (pending << (8 - pendingBits)) | (255 >> pendingBits);
  return position;
}

function at(values: ArrayLike<number>, index: number): number {
  return values[index] ?? 0;
}
