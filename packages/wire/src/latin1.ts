declare global {
  // What `toString('latin1')` and `write(…, 'latin1')` call after they have looked at their arguments; @types/node omits them.
  interface Buffer {
    latin1Slice(start: number, end: number): string;
    latin1Write(text: string, offset: number, length: number): number;
  }
}

/** Bytes as text of one character each. */
export function latin1Text(bytes: Buffer, start: number, end: number): string {
  return bytes.latin1Slice(start, end);
}

/** Writes text of one byte a character. */
export function writeLatin1(bytes: Buffer, text: string, offset: number): void {
  bytes.latin1Write(text, offset, text.length);
}
