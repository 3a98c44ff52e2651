import { constants, createInflate, type Inflate } from 'node:zlib';

/** Header names by their SPDY/3.1 order (draft 3.1, section 2.6.10.1): the dictionary is each with its length, then the rest. */
const DICTIONARY_WORDS =
  'options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow authorization cache-control connection content-base content-encoding content-language content-length content-location content-md5 content-range content-type date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade user-agent vary via warning www-authenticate method get status'.split(
    ' ',
  );
const DICTIONARY_TAIL =
  '100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.';

function lengthPrefixed(word: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(word.length);
  return Buffer.concat([length, Buffer.from(word, 'latin1')]);
}

/** The zlib dictionary of SPDY/3 header blocks. */
export const SPDY_DICTIONARY = Buffer.concat(
  [...DICTIONARY_WORDS, '200 OK', 'version', 'HTTP/1.1', 'url', 'public', 'set-cookie', 'keep-alive', 'origin']
    .map(lengthPrefixed)
    .concat(Buffer.from(DICTIONARY_TAIL, 'latin1')),
);
/** Adler-32 of the dictionary, as it stands in every zlib stream that uses it. */
const DICTIONARY_ID = 0xe3c6a7c2;

const SYN_STREAM = 1;
const SYN_REPLY = 2;
const RST_STREAM = 3;
const PING = 6;
const GOAWAY = 7;
const FIN = 0x01;
const VERSION = 0x8003;

/** Longer frames end the connection. */
const MAX_FRAME = 1024 * 1024;
const MAX_HEADER_BLOCK = 64 * 1024;
const MAX_STREAMS = 1024;
const CHUNK = 32 * 1024;

/** One stream that the client opened. */
export interface SpdyStream {
  readonly id: number;
  readonly headers: Readonly<Record<string, string>>;
  onData: (chunk: Buffer) => void;
  /** The client will send no more. */
  onEnd: () => void;
  /** The stream was reset, or the connection is gone. */
  onReset: () => void;
  write(chunk: Buffer): void;
  /** Sends nothing more. */
  end(): void;
  reset(): void;
}

export interface SpdyEvents {
  /** Puts bytes on the wire. */
  readonly send: (bytes: Buffer) => void;
  readonly onStream: (stream: SpdyStream) => void;
  /** The peer broke the protocol or said goodbye; the transport should be closed. */
  readonly onClose: (reason: string) => void;
}

interface StreamState {
  readonly stream: SpdyStream;
  localEnd: boolean;
  remoteEnd: boolean;
}

/**
 * The server side of a SPDY/3.1 connection over any byte stream, as far as Kubernetes streaming uses it: streams opened by
 * the client, data, reset, ping, goaway. Like the library that kubectl uses, it does without flow-control windows.
 */
export class SpdyConnection {
  readonly #events: SpdyEvents;
  readonly #streams = new Map<number, StreamState>();
  readonly #inflate: Inflate = createInflate({ dictionary: SPDY_DICTIONARY, finishFlush: constants.Z_SYNC_FLUSH });
  #pending: Buffer = Buffer.alloc(0);
  #wroteHeader = false;
  #closed = false;
  #busy = false;

  constructor(events: SpdyEvents) {
    this.#events = events;
    this.#inflate.on('error', () => this.#fail('bad header block'));
  }

  /** Takes bytes from the wire. */
  receive(bytes: Buffer): void {
    if (this.#closed) return;
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    if (!this.#busy) void this.#process();
  }

  async #process(): Promise<void> {
    this.#busy = true;
    while (!this.#closed && this.#pending.length >= 8) {
      const length = this.#pending.readUIntBE(5, 3);
      if (length > MAX_FRAME) return this.#fail(`frame of ${length} bytes`);
      if (this.#pending.length < 8 + length) break;
      const frame = this.#pending.subarray(0, 8 + length);
      this.#pending = this.#pending.subarray(8 + length);
      await this.#frame(frame);
    }
    this.#busy = false;
  }

  async #frame(frame: Buffer): Promise<void> {
    const flags = frame[4] ?? 0;
    const body = frame.subarray(8);
    if (((frame[0] ?? 0) & 0x80) === 0) return this.#data(frame.readUInt32BE(0), flags, body);
    if (frame.readUInt16BE(0) !== VERSION) return this.#fail('not SPDY/3.1');
    const type = frame.readUInt16BE(2);
    if (body.length < 4) return type === GOAWAY ? this.close('peer said goodbye') : undefined;
    const id = body.readUInt32BE(0) & 0x7fffffff;
    if (type === SYN_STREAM) return this.#open(id, flags, body);
    if (type === RST_STREAM) {
      this.#streams.get(id)?.stream.onReset();
      this.#streams.delete(id);
    } else if (type === PING) this.#control(PING, body.subarray(0, 4));
    else if (type === GOAWAY) this.close('peer said goodbye');
    return undefined;
  }

  #data(id: number, flags: number, body: Buffer): void {
    const state = this.#streams.get(id);
    if (state === undefined || state.remoteEnd) return;
    if (body.length > 0) state.stream.onData(body);
    if ((flags & FIN) !== 0) this.#remoteEnd(id, state);
  }

  #remoteEnd(id: number, state: StreamState): void {
    state.remoteEnd = true;
    state.stream.onEnd();
    if (state.localEnd) this.#streams.delete(id);
  }

  async #open(id: number, flags: number, body: Buffer): Promise<void> {
    if (body.length < 10) return this.#fail('short SYN_STREAM');
    const headers = await this.#headers(body.subarray(10));
    if (headers === undefined || this.#closed) return this.#fail('bad header block');
    if (id % 2 === 0 || this.#streams.has(id) || this.#streams.size >= MAX_STREAMS) return this.#fail(`stream ${id} cannot be opened`);
    const stream: SpdyStream = {
      id,
      headers,
      onData: () => undefined,
      onEnd: () => undefined,
      onReset: () => undefined,
      write: (chunk) => {
        for (let at = 0; at < chunk.length; at += CHUNK) this.#sendData(id, chunk.subarray(at, at + CHUNK), 0);
      },
      end: () => {
        const current = this.#streams.get(id);
        if (current === undefined || current.localEnd) return;
        this.#sendData(id, Buffer.alloc(0), FIN);
        current.localEnd = true;
        if (current.remoteEnd) this.#streams.delete(id);
      },
      reset: () => {
        if (!this.#streams.delete(id)) return;
        const payload = Buffer.alloc(8);
        payload.writeUInt32BE(id, 0);
        payload.writeUInt32BE(5, 4);
        this.#control(RST_STREAM, payload);
      },
    };
    const state: StreamState = { stream, localEnd: false, remoteEnd: false };
    this.#streams.set(id, state);
    this.#reply(id);
    this.#events.onStream(stream);
    if ((flags & FIN) !== 0) this.#remoteEnd(id, state);
    return undefined;
  }

  /** Inflates a block of the connection's one compressed stream and reads its name/value pairs. */
  #headers(block: Buffer): Promise<Record<string, string> | undefined> {
    return new Promise((resolve) => {
      this.#inflate.write(block, () => {
        const chunks: Buffer[] = [];
        for (let chunk: unknown = this.#inflate.read(); Buffer.isBuffer(chunk); chunk = this.#inflate.read()) chunks.push(chunk);
        const plain = Buffer.concat(chunks);
        resolve(plain.length > MAX_HEADER_BLOCK ? undefined : parsePairs(plain));
      });
    });
  }

  #sendData(id: number, chunk: Buffer, flags: number): void {
    const state = this.#streams.get(id);
    if (this.#closed || state === undefined || state.localEnd) return;
    const head = Buffer.alloc(8);
    head.writeUInt32BE(id, 0);
    head[4] = flags;
    head.writeUIntBE(chunk.length, 5, 3);
    this.#events.send(Buffer.concat([head, chunk]));
  }

  #control(type: number, payload: Buffer): void {
    const head = Buffer.alloc(8);
    head.writeUInt16BE(VERSION, 0);
    head.writeUInt16BE(type, 2);
    head.writeUIntBE(payload.length, 5, 3);
    this.#events.send(Buffer.concat([head, payload]));
  }

  /** SYN_REPLY without headers: no pair, as a stored block of the zlib stream, so that nothing needs compressing; the empty block after it is zlib's sync flush. */
  #reply(id: number): void {
    const stored = Buffer.from([0x00, 0x04, 0x00, 0xfb, 0xff, 0, 0, 0, 0, 0x00, 0x00, 0x00, 0xff, 0xff]);
    const zlibHeader = Buffer.from([0x78, 0xbb, 0, 0, 0, 0]);
    zlibHeader.writeUInt32BE(DICTIONARY_ID, 2);
    const head = Buffer.alloc(4);
    head.writeUInt32BE(id);
    this.#control(SYN_REPLY, Buffer.concat(this.#wroteHeader ? [head, stored] : [head, zlibHeader, stored]));
    this.#wroteHeader = true;
  }

  #fail(reason: string): undefined {
    this.close(reason);
    return undefined;
  }

  /** Ends the connection and tells every stream. */
  close(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const { stream } of this.#streams.values()) stream.onReset();
    this.#streams.clear();
    this.#inflate.close();
    this.#events.onClose(reason);
  }
}

function parsePairs(plain: Buffer): Record<string, string> | undefined {
  let at = 0;
  const number = () => {
    if (at + 4 > plain.length) return undefined;
    at += 4;
    return plain.readUInt32BE(at - 4);
  };
  const text = () => {
    const length = number();
    if (length === undefined || at + length > plain.length) return undefined;
    at += length;
    return plain.toString('utf8', at - length, at);
  };
  const count = number();
  if (count === undefined) return undefined;
  const headers: Record<string, string> = {};
  for (let index = 0; index < count; index++) {
    const name = text();
    const value = text();
    if (name === undefined || value === undefined) return undefined;
    headers[name.toLowerCase()] = value;
  }
  return headers;
}
