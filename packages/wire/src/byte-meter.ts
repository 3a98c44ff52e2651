/**
 * What one exchange takes on its connection, in bytes, as Envoy meters it. HTTP/1 counts its messages as they are written, and on the
 * way in whole reads: what came of the next request with this one's end counts for both. HTTP/2 counts the frames of the stream with
 * their headers, but no WINDOW_UPDATE on the way in. A header section is all its lines, or all its frames; decompressed, the names and values that they stand for.
 */
export class ByteMeter {
  wireBytesReceived = 0;
  wireBytesSent = 0;
  headerBytesReceived = 0;
  headerBytesSent = 0;
  decompressedHeaderBytesReceived = 0;
  decompressedHeaderBytesSent = 0;

  /** Adds what another try, or what stood before this one, has taken so far. */
  addBytesOf(other: ByteMeter): void {
    this.wireBytesReceived += other.wireBytesReceived;
    this.wireBytesSent += other.wireBytesSent;
    this.headerBytesReceived += other.headerBytesReceived;
    this.headerBytesSent += other.headerBytesSent;
    this.decompressedHeaderBytesReceived += other.decompressedHeaderBytesReceived;
    this.decompressedHeaderBytesSent += other.decompressedHeaderBytesSent;
  }
}

/** Of HTTP/1's header lines what Envoy meters on the way in: names, values, and three bytes around each. */
export function fieldBytesOf(fields: readonly string[]): number {
  let bytes = 3 * (fields.length / 2);
  for (const text of fields) bytes += text.length;
  return bytes;
}
