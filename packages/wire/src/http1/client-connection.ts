import { ByteMeter } from '../byte-meter.ts';
import type { PreserveCase } from '../field-cases.ts';
import { safeFieldValue } from '../field-name.ts';
import type { ClientConnection, ClientStream, CodecOutput, HeaderList, RequestHead, ResetReason, ResponseReceiver } from '../http.ts';
import { joinedIn } from '../joined-fields.ts';
import { OutputBuffer } from '../output-buffer.ts';
import { BodyDecoder, type BodyFraming, type BodySink } from './body-decoder.ts';
import { BodyEncoder } from './body-encoder.ts';
import { FieldLines } from './field-lines.ts';
import { FieldsReader } from './fields-reader.ts';
import { InputWindow } from './input-window.ts';
import { type Http1ClientOptions, type Http1Limits, http1Limits } from './options.ts';
import { parseResponseHead } from './response-head.ts';

const noBytes = Buffer.alloc(0);
/** Methods that say nothing of a body that they do not have. */
const bodiless = new Set(['GET', 'HEAD', 'DELETE', 'TRACE', 'CONNECT']);

/** A client's side of HTTP/1.1: one exchange at a time. */
export function createHttp1ClientConnection(output: CodecOutput, options: Http1ClientOptions = {}): ClientConnection {
  return new Http1ClientConnection(output, options);
}

/** `idle`: no exchange, or its request has not begun; `head`: a response is awaited; `raw`: after 101 or CONNECT's 2xx. */
type Phase = 'idle' | 'head' | 'body' | 'raw' | 'closed';

class Http1ClientConnection implements ClientConnection, BodySink {
  readonly #output: CodecOutput;
  readonly #limits: Http1Limits;
  readonly #allowChunkedLength: boolean;
  readonly #preserveCase: PreserveCase | undefined;
  readonly #input = new InputWindow();
  readonly #decoder: BodyDecoder;
  readonly out: OutputBuffer;
  readonly encoder: BodyEncoder;
  readonly lines: FieldLines;
  readonly #fields = new FieldsReader(joinedIn.response);
  #phase: Phase = 'idle';
  #stream: Http1ClientStream | undefined;
  #processing = false;
  /** The input is the caller's: what is left of it must be copied. */
  #borrowed = false;
  #readingPaused = false;
  #reusable = true;
  #ended: Http1ClientStream | undefined;
  protocolError = false;
  peerClosing = false;
  requestCut = false;
  onAvailable: (() => void) | undefined;

  constructor(output: CodecOutput, options: Http1ClientOptions) {
    this.#output = output;
    this.#limits = http1Limits(options);
    this.#allowChunkedLength = options.allowChunkedLength ?? false;
    this.#preserveCase = options.preserveCase;
    this.out = new OutputBuffer(output);
    this.encoder = new BodyEncoder(this.out);
    this.lines = new FieldLines(options.formatName);
    this.#decoder = new BodyDecoder(this.#limits, this);
  }
  get activeStreams(): number {
    return this.#stream === undefined ? 0 : 1;
  }
  get available(): boolean {
    return this.#stream === undefined && this.#reusable && this.#phase === 'idle';
  }
  get paused(): boolean {
    return this.#stream?.paused ?? false;
  }
  openStream(receiver: ResponseReceiver): ClientStream | undefined {
    if (!this.available) return undefined;
    this.#stream = new Http1ClientStream(this, receiver);
    return this.#stream;
  }
  receive(bytes: Buffer): void {
    if (this.#phase === 'closed' || bytes.length === 0) return;
    if (this.#phase === 'idle') {
      // An answer nobody asked for, e.g. 408 before the peer closes an idle connection.
      this.#abort('protocol-error', 'the server sent bytes before a request');
      return;
    }
    if (this.#stream !== undefined) this.#stream.wireBytesReceived += bytes.length;
    this.#input.append(bytes);
    this.#borrowed = true;
    this.process();
  }
  receiveEnd(): void {
    const stream = this.#stream;
    if (this.#phase === 'closed') return;
    if (stream !== undefined && this.#phase === 'body' && this.#decoder.untilClose) {
      this.#reusable = false;
      this.#decoder.abandon();
      this.onBody(noBytes, true);
      return;
    }
    // What came was no head, or no whole message; or it was a tunnel, which ends both ways at once.
    const cut = this.#phase === 'body' || (this.#phase === 'head' && this.#input.size > 0);
    this.#abort(cut ? 'protocol-error' : 'connection-termination', 'the server closed the connection');
  }
  closed(detail: string): void {
    this.out.abandon();
    const stream = this.#stream;
    const wasAvailable = this.available;
    const endsBody = this.#phase === 'body' && this.#decoder.untilClose;
    this.#phase = 'closed';
    this.#stream = undefined;
    stream?.fail('connection-termination', endsBody ? `response cut short: ${detail}` : detail);
    if (wasAvailable) this.onAvailable?.();
  }
  onSocketDrain(): void {
    this.out.drained();
    this.#stream?.drained();
  }
  drain(): void {
    this.#reusable = false;
    if (this.#stream === undefined) this.#close();
  }
  process(): void {
    if (this.#processing) return;
    this.#processing = true;
    this.out.hold();
    try {
      while (this.#input.size > 0 && this.#step());
      if (this.#phase === 'closed') this.#input.clear();
      else if (this.#borrowed) this.#input.keep();
    } finally {
      this.#borrowed = false;
      this.#processing = false;
      this.#updateReading();
      this.out.release();
    }
  }
  #step(): boolean {
    if (this.#phase === 'closed' || this.paused) return false;
    const input = this.#input;
    if (this.#phase === 'head') return this.#readHead();
    if (this.#phase === 'body') {
      input.at = this.#decoder.decode(input.bytes, input.at);
      const ended = this.#ended;
      this.#ended = undefined;
      if (this.#decoder.error !== undefined) this.#abort('protocol-error', this.#decoder.error);
      else if (ended !== undefined) this.exchangeProgress(ended);
      return true;
    }
    if (this.#phase === 'raw') {
      const bytes = input.bytes.subarray(input.at);
      input.clear();
      this.#stream?.receiveRaw(bytes, false);
      return true;
    }
    this.#abort('protocol-error', 'the server sent bytes after its response');
    return false;
  }
  #readHead(): boolean {
    const stream = this.#stream;
    if (stream === undefined) return false;
    const text = this.#input.takeHead(this.#limits.maxHeadersBytes);
    if (text === undefined) {
      const { fault } = this.#input;
      if (fault === undefined) return false;
      this.#abort('protocol-error', fault === 'too-large' ? 'response headers too large' : 'line ends in a bare LF');
      return true;
    }
    const { maxHeadersCount } = this.#limits;
    const parsed = parseResponseHead(text, maxHeadersCount, stream.method, this.#fields, this.#allowChunkedLength, this.#preserveCase);
    if (typeof parsed === 'string') {
      this.#abort('protocol-error', parsed);
      return true;
    }
    stream.headerBytesReceived += this.#fields.bytes;
    // So Envoy does it: after an interim answer or another try, what was counted before counts again.
    stream.decompressedHeaderBytesReceived += stream.headerBytesReceived;
    if (parsed.interim) {
      stream.receiver.onHead(parsed.head, false);
      return true;
    }
    if (!parsed.keepAlive) {
      this.#reusable = false;
      if (!parsed.tunnel) this.peerClosing = true;
    }
    if (parsed.tunnel) {
      this.#reusable = false;
      this.#phase = 'raw';
      stream.raw = true;
      stream.receiver.onHead(parsed.head, false);
      return true;
    }
    const endStream = parsed.framing === 0;
    if (endStream) {
      this.#phase = 'head';
      stream.responseDone = true;
      stream.receiver.onHead(parsed.head, true);
      this.exchangeProgress(stream);
      return true;
    }
    this.#phase = 'body';
    this.#decoder.start(parsed.framing);
    if (parsed.framing === 'until-close') this.#reusable = false;
    stream.receiver.onHead(parsed.head, false);
    return true;
  }
  onBody(data: Buffer, end: boolean): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    if (end) stream.responseDone = true;
    stream.receiver.onData(data, end);
    if (end) this.#bodyEnded(stream);
  }
  onBodyTrailers(trailers: HeaderList): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    stream.responseDone = true;
    stream.receiver.onTrailers(trailers);
    this.#bodyEnded(stream);
  }
  /** While the decoder runs, the input still holds what it has taken: whether bytes follow the response is seen afterwards. */
  #bodyEnded(stream: Http1ClientStream): void {
    if (this.#processing) this.#ended = stream;
    else this.exchangeProgress(stream);
  }
  beginResponse(): void {
    this.#phase = 'head';
  }
  /** After the response's end: the connection is free again, or of no more use when the request was not read to its end. */
  exchangeProgress(stream: Http1ClientStream): void {
    if (this.#stream !== stream || !stream.responseDone) return;
    this.#stream = undefined;
    if (!stream.requestDone || !this.#reusable || this.#input.size > 0) {
      if (this.#input.size > 0) this.protocolError = true;
      if (!stream.requestDone) this.requestCut = true;
      this.#reusable = false;
      this.#close();
      this.onAvailable?.();
      return;
    }
    this.#phase = 'idle';
    this.onAvailable?.();
  }
  resetStream(stream: Http1ClientStream, detail: string): void {
    if (this.#stream !== stream) return;
    this.#stream = undefined;
    this.#reusable = false;
    this.#phase = 'closed';
    this.out.destroy(detail);
    this.onAvailable?.();
  }
  /** A stream given back before its request began: nothing was written, the connection stays. */
  giveBack(stream: Http1ClientStream): void {
    if (this.#stream !== stream) return;
    this.#stream = undefined;
    this.onAvailable?.();
  }
  #abort(reason: ResetReason, detail: string): void {
    const stream = this.#stream;
    this.#stream = undefined;
    this.#reusable = false;
    this.#phase = 'closed';
    if (reason === 'protocol-error') this.protocolError = true;
    this.#input.clear();
    this.out.destroy(detail);
    stream?.fail(reason, detail);
    this.onAvailable?.();
  }
  #close(): void {
    this.#phase = 'closed';
    this.#input.clear();
    this.out.end();
  }
  #updateReading(): void {
    const wants = this.#phase !== 'closed' && this.paused;
    if (wants !== this.#readingPaused) {
      this.#readingPaused = wants;
      if (wants) this.#output.pauseReading?.();
      else this.#output.resumeReading?.();
    }
    if (wants && this.#input.size > 16 * this.#limits.maxPipelinedBytes) {
      this.#abort('overflow', 'more bytes arrived while paused than may be kept');
    }
  }
}

class Http1ClientStream extends ByteMeter implements ClientStream {
  readonly #connection: Http1ClientConnection;
  readonly receiver: ResponseReceiver;
  method = 'GET';
  paused = false;
  raw = false;
  requestDone = false;
  responseDone = false;
  #headSent = false;
  #wantsDrain = false;
  /** Upgraded protocols say themselves that they end: the end of a client's stream is not passed on. */
  #upgrading = false;

  constructor(connection: Http1ClientConnection, receiver: ResponseReceiver) {
    super();
    this.#connection = connection;
    this.receiver = receiver;
  }
  sendHead(head: RequestHead, endStream: boolean): void {
    if (this.#headSent || this.responseDone) return;
    this.#headSent = true;
    this.method = head.method;
    const tunnel = head.method === 'CONNECT' || head.upgrade !== undefined;
    const target = head.method === 'CONNECT' ? head.authority : head.path;
    const { lines } = this.#connection;
    lines.begin(head.fieldCase);
    const first = `${head.method} ${safeTarget(target)} HTTP/1.1\r\n`;
    let text = `${lines.named('host')}${safeFieldValue(head.authority)}\r\n${lines.of(head.headers)}`;
    let framing: BodyFraming = 0;
    const { contentLength } = lines;
    if (tunnel) {
      framing = 'until-close';
      if (contentLength === '0') text += `${lines.named('content-length')}0\r\n`;
      if (head.upgrade !== undefined) {
        this.#upgrading = true;
        const { connection, upgrade } = head.upgradeFields ?? { connection: 'upgrade', upgrade: head.upgrade };
        text += `${lines.named('connection')}${safeFieldValue(connection)}\r\n${lines.named('upgrade')}${safeFieldValue(upgrade)}\r\n`;
      }
    } else if (contentLength !== undefined) {
      framing = Number(contentLength);
      text += `${lines.named('content-length')}${contentLength}\r\n`;
    } else if (!endStream) {
      framing = 'chunked';
      text += `${lines.named('transfer-encoding')}chunked\r\n`;
    } else if (!bodiless.has(head.method)) text += `${lines.named('content-length')}0\r\n`;
    this.#connection.encoder.start(framing);
    this.#connection.beginResponse();
    this.wireBytesSent += first.length + text.length + 2;
    this.headerBytesSent += text.length;
    this.decompressedHeaderBytesSent += text.length;
    this.#connection.out.push(`${first}${text}\r\n`);
    if (endStream) this.#finish(this.#connection.encoder.data(noBytes, true));
  }
  sendData(data: Buffer, endStream: boolean): boolean {
    if (!this.#headSent || this.requestDone || this.responseDone) return true;
    const { out, encoder } = this.#connection;
    const before = out.pushed;
    const wrong = encoder.data(data, endStream);
    this.wireBytesSent += out.pushed - before;
    if (endStream || wrong !== undefined) this.#finish(wrong);
    this.#wantsDrain = out.congested;
    return !this.#wantsDrain;
  }
  sendTrailers(trailers: HeaderList): void {
    if (!this.#headSent || this.requestDone || this.responseDone) return;
    this.#finish(this.#connection.encoder.trailers(trailers, this.#connection.lines, this));
  }
  #finish(wrong: string | undefined): void {
    this.requestDone = true;
    if (wrong !== undefined) {
      this.#connection.resetStream(this, `request ${wrong}`);
      this.fail('protocol-error', `request ${wrong}`);
    } else if (this.raw && !this.#upgrading) this.#connection.out.end();
  }
  reset(reason: ResetReason): void {
    this.paused = false;
    if (this.#headSent) this.#connection.resetStream(this, `stream reset: ${reason}`);
    else this.#connection.giveBack(this);
    this.responseDone = true;
  }
  pause(): void {
    this.paused = true;
    this.#connection.process();
  }
  resume(): void {
    this.paused = false;
    this.#connection.process();
  }
  receiveRaw(data: Buffer, end: boolean): void {
    this.receiver.onData(data, end);
  }
  drained(): void {
    if (!this.#wantsDrain) return;
    this.#wantsDrain = false;
    this.receiver.onDrain();
  }
  fail(reason: ResetReason, detail: string): void {
    this.responseDone = true;
    this.receiver.onReset(reason, detail);
  }
}

const unsafeInTarget = /[\0-\x20\x7f]/;

/** A request target cannot end the request line early: white space and controls are percent-encoded. */
function safeTarget(target: string): string {
  if (!unsafeInTarget.test(target)) return target;
  return target.replace(/[\0-\x20\x7f]/g, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0').toUpperCase()}`);
}
