/** What a TLS client asks for before anything is encrypted. */
export interface ClientHello {
  /** Server name in lower case, undefined without one. */
  readonly sni: string | undefined;
  readonly alpn: readonly string[];
}

const maxClientHelloBytes = 16 * 1024;
const handshakeRecord = 22;
const clientHelloMessage = 1;

/**
 * Reads the ClientHello at the beginning of a connection (RFC 8446 section 4.1.2), also when it is cut into several records.
 * `not-tls` also stands for one that is malformed, `too-large` for one that says it has more than 16 KiB.
 */
export function parseClientHello(bytes: Buffer): ClientHello | 'need-more' | 'not-tls' | 'too-large' {
  const handshake = joinRecords(bytes);
  if (typeof handshake === 'string') return handshake;
  const body = new Reader(handshake, 4, handshake.length);
  body.skip(2 + 32);
  body.vector(1);
  body.vector(2);
  body.vector(1);
  let sni: string | undefined;
  let alpn: string[] = [];
  if (!body.failed && body.left > 0) {
    const extensions = body.vector(2);
    while (!extensions.failed && extensions.left > 0) {
      const type = extensions.integer(2);
      const extension = extensions.vector(2);
      if (type === 0) sni = readServerName(extension);
      else if (type === 16) alpn = readProtocols(extension);
      if (extension.failed) return 'not-tls';
    }
    if (extensions.failed) return 'not-tls';
  }
  return body.failed ? 'not-tls' : { sni, alpn };
}

/** The whole ClientHello message with its four-byte header. */
function joinRecords(bytes: Buffer): Buffer | 'need-more' | 'not-tls' | 'too-large' {
  const pieces: Buffer[] = [];
  for (let at = 0; ; ) {
    const type = bytes[at];
    if (type === undefined) return 'need-more';
    if (type !== handshakeRecord || (bytes.length > at + 1 && bytes[at + 1] !== 3)) return 'not-tls';
    if (bytes.length < at + 5) return 'need-more';
    const length = bytes.readUInt16BE(at + 3);
    if (length === 0 || length > 16_640) return 'not-tls';
    const piece = bytes.subarray(at + 5, at + 5 + length);
    pieces.push(piece);
    const first = pieces[0] as Buffer;
    if (first.length > 0 && first[0] !== clientHelloMessage) return 'not-tls';
    const joined = pieces.length === 1 ? first : Buffer.concat(pieces);
    if (joined.length >= 4) {
      const total = 4 + joined.readUIntBE(1, 3);
      if (total > maxClientHelloBytes) return 'too-large';
      if (joined.length >= total) return joined.subarray(0, total);
    }
    if (piece.length < length) return 'need-more';
    if (pieces.length > 256) return 'not-tls';
    at += 5 + length;
  }
}

function readServerName(extension: Reader): string | undefined {
  const names = extension.vector(2);
  while (!names.failed && names.left > 0) {
    const type = names.integer(1);
    const name = names.vector(2).text();
    if (type === 0 && !names.failed) return name.toLowerCase();
  }
  return undefined;
}

function readProtocols(extension: Reader): string[] {
  const list = extension.vector(2);
  const protocols: string[] = [];
  while (!list.failed && list.left > 0) {
    const protocol = list.vector(1).text();
    if (!list.failed) protocols.push(protocol);
  }
  return protocols;
}

/** Reads integers and length-prefixed vectors; `failed` once something did not fit. */
class Reader {
  readonly #bytes: Buffer;
  #at: number;
  readonly #end: number;
  failed = false;

  constructor(bytes: Buffer, from: number, to: number) {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = to;
  }
  get left(): number {
    return this.#end - this.#at;
  }
  skip(count: number): void {
    if (count > this.left) {
      this.failed = true;
      this.#at = this.#end;
    } else this.#at += count;
  }
  integer(size: number): number {
    if (size > this.left) {
      this.skip(size);
      return 0;
    }
    this.#at += size;
    return this.#bytes.readUIntBE(this.#at - size, size);
  }
  vector(lengthSize: number): Reader {
    const length = this.integer(lengthSize);
    const from = this.#at;
    this.skip(length);
    return new Reader(this.#bytes, from, this.failed ? from : from + length);
  }
  text(): string {
    return this.#bytes.toString('latin1', this.#at, this.#end);
  }
}
