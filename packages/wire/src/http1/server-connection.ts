import { STATUS_CODES } from 'node:http';
import { ByteMeter } from '../byte-meter.ts';
import { safeFieldValue } from '../field-name.ts';
import type {
  CodecOutput,
  HeaderList,
  HttpVersion,
  RequestHead,
  RequestReceiver,
  ResetReason,
  ResponseHead,
  ServerConnection,
  ServerConnectionHandler,
  ServerStream,
} from '../http.ts';
import { joinedIn } from '../joined-fields.ts';
import { OutputBuffer } from '../output-buffer.ts';
import { BodyDecoder, type BodyFraming, type BodySink } from './body-decoder.ts';
import { BodyEncoder } from './body-encoder.ts';
import { FieldLines } from './field-lines.ts';
import { hasToken } from './fields.ts';
import { FieldsReader } from './fields-reader.ts';
import { InputWindow } from './input-window.ts';
import { type Http1Limits, type Http1ServerOptions, http1Limits } from './options.ts';
import { type ParsedRequest, parseRequestHead } from './request-head.ts';

const noBytes = Buffer.alloc(0);

/** A server's side of HTTP/1.0 and HTTP/1.1: requests go up one at a time, pipelined ones wait in the input. */
export function createHttp1ServerConnection(
  output: CodecOutput,
  handler: ServerConnectionHandler,
  options: Http1ServerOptions = {},
): ServerConnection {
  return new Http1ServerConnection(output, handler, options);
}

/**
 * - `head`: between requests, or inside a head.
 * - `body`: a request's body arrives.
 * - `wait`: the request is complete, its response is not.
 * - `tunnel-wait`: an upgrade or CONNECT waits for its grant; bytes stay in the input.
 * - `raw`: bytes flow as they are.
 * - `closed`: input is dropped.
 */
type Phase = 'head' | 'body' | 'wait' | 'tunnel-wait' | 'raw' | 'closed';

class Http1ServerConnection implements ServerConnection, BodySink {
  readonly #output: CodecOutput;
  readonly #handler: ServerConnectionHandler;
  readonly #options: Http1ServerOptions;
  readonly #limits: Http1Limits;
  readonly #input = new InputWindow();
  readonly #decoder: BodyDecoder;
  readonly out: OutputBuffer;
  readonly encoder: BodyEncoder;
  readonly lines: FieldLines;
  readonly #fields = new FieldsReader(joinedIn.request);
  #phase: Phase = 'head';
  #stream: Http1ServerStream | undefined;
  #processing = false;
  /** The input is the caller's: what is left of it must be copied. */
  #borrowed = false;
  #readingPaused = false;
  #discarded = 0;
  /** The owner knows of a head that is not complete. */
  #headBegun = false;
  /** Of the next request, as long as it has no stream. */
  #next = new ByteMeter();
  /** Lines without text have come since the last message. */
  #emptyLines = false;
  draining = false;

  constructor(output: CodecOutput, handler: ServerConnectionHandler, options: Http1ServerOptions) {
    this.#output = output;
    this.#handler = handler;
    this.#options = options;
    this.#limits = http1Limits(options);
    this.out = new OutputBuffer(output);
    this.encoder = new BodyEncoder(this.out);
    this.lines = new FieldLines(options.formatName);
    this.#decoder = new BodyDecoder(this.#limits, this);
  }
  get activeStreams(): number {
    return this.#stream === undefined ? 0 : 1;
  }
  get paused(): boolean {
    return this.#stream?.paused ?? false;
  }
  receive(bytes: Buffer): void {
    if (this.#phase === 'closed' || bytes.length === 0) return;
    const stream = this.#stream;
    if (stream === undefined) {
      this.#meterWaiting();
      this.#next.wireBytesReceived += bytes.length;
    }
    // What waits behind a whole request is metered when its turn comes.
    else if (this.#phase !== 'wait' || this.#input.size === 0) stream.wireBytesReceived += bytes.length;
    this.#input.append(bytes);
    this.#borrowed = true;
    this.process();
  }
  receiveEnd(): void {
    const stream = this.#stream;
    if (this.#phase === 'closed') return;
    if (this.#phase === 'raw') {
      stream?.receiveRaw(noBytes, true);
      if (stream?.responseDone === true) this.#stream = undefined;
      return;
    }
    if (stream === undefined) {
      this.#close();
      return;
    }
    if (this.#phase === 'wait' && this.#options.allowHalfClose === true) {
      stream.keepAlive = false;
      return;
    }
    this.#phase = 'closed';
    this.#stream = undefined;
    stream.fail('connection-termination', 'the client closed its side of the connection');
    this.out.destroy('the client closed its side of the connection');
  }
  closed(detail: string): void {
    this.out.abandon();
    this.#phase = 'closed';
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.fail('connection-termination', detail);
  }
  onSocketDrain(): void {
    this.out.drained();
    this.#stream?.drained();
  }
  announceDrain(): void {}
  drain(): void {
    this.draining = true;
    if (this.#stream === undefined && this.#phase === 'head' && this.#input.size === 0) this.#close();
  }
  /** Takes from the input what can be taken now; one write at its end carries all answers given meanwhile. */
  process(): void {
    if (this.#processing) return;
    this.#processing = true;
    this.out.hold();
    try {
      while (this.#input.size > 0 && this.#step());
      if (this.#phase === 'closed') this.#input.clear();
      else if (this.#borrowed) this.#input.keep();
      if (this.#phase === 'head' && (this.#input.size > 0 || this.#emptyLines)) this.#awaitHead();
    } finally {
      this.#borrowed = false;
      this.#processing = false;
      this.#updateReading();
      this.out.release();
    }
  }
  #step(): boolean {
    const input = this.#input;
    switch (this.#phase) {
      case 'head':
        return this.#readHead();
      case 'body': {
        if (this.paused) return false;
        const before = input.at;
        input.at = this.#decoder.decode(input.bytes, before);
        if (this.#decoder.error !== undefined) this.#refuse(400, this.#decoder.error);
        else if (this.#stream === undefined) this.#countDiscarded(input.at - before);
        return true;
      }
      case 'raw': {
        if (this.paused) return false;
        const bytes = input.bytes.subarray(input.at);
        input.clear();
        this.#stream?.receiveRaw(bytes, false);
        return true;
      }
      default:
        return false;
    }
  }
  /** What came with the request before begins the next one: it is metered again, as in Envoy. */
  #meterWaiting(): void {
    if (this.#next.wireBytesReceived === 0) this.#next.wireBytesReceived = this.#input.size;
  }
  #readHead(): boolean {
    const input = this.#input;
    this.#meterWaiting();
    const before = input.at;
    input.skipEmptyLines();
    if (input.at > before) this.#emptyLines = true;
    if (input.size === 0 || this.#onlyEmptyLine()) return false;
    const text = input.takeHead(this.#limits.maxHeadersBytes);
    if (text === undefined) {
      if (input.fault === undefined) return false;
      if (input.fault === 'too-large') this.#refuse(431, 'request headers too large');
      else this.#refuse(400, 'line ends in a bare LF');
      return true;
    }
    this.#headBegun = false;
    this.#emptyLines = false;
    const options = this.#options;
    this.#fields.bytes = 0;
    const parsed = parseRequestHead(
      text,
      this.#limits.maxHeadersCount,
      options.scheme ?? 'http',
      options.acceptHttp10 === true,
      this.#fields,
      options.allowAbsoluteUrl ?? true,
      options.preserveCase,
    );
    const next = this.#next;
    next.headerBytesReceived = this.#fields.bytes;
    next.decompressedHeaderBytesReceived = this.#fields.bytes;
    if ('status' in parsed) {
      this.#refuse(parsed.status, parsed.detail, parsed.head);
      return true;
    }
    const stream = new Http1ServerStream(this, parsed);
    this.#stream = stream;
    stream.addBytesOf(next);
    next.wireBytesReceived = 0;
    next.headerBytesReceived = 0;
    next.decompressedHeaderBytesReceived = 0;
    const endStream = !parsed.tunnel && parsed.framing === 0;
    if (parsed.tunnel) this.#phase = 'tunnel-wait';
    else if (endStream) this.#phase = 'wait';
    else {
      this.#phase = 'body';
      this.#decoder.start(parsed.framing);
    }
    stream.start(this.#handler.onRequest(stream, parsed.head, endStream));
    return true;
  }
  /** A head has begun and is not complete. */
  #awaitHead(): void {
    if (!this.#headBegun) {
      this.#headBegun = true;
      this.#handler.onRequestBegins?.(this.#next);
    }
    const { size, at, bytes } = this.#input;
    // No method begins so: what comes is something else, such as TLS, and may never have a line's end.
    if (size > 0 && !this.#onlyEmptyLine() && !beginsMethod(bytes[at])) this.#refuse(400, 'invalid method');
  }
  #onlyEmptyLine(): boolean {
    const input = this.#input;
    return input.size === 1 && input.bytes[input.at] === 13;
  }
  onBody(data: Buffer, end: boolean): void {
    if (end) this.#requestComplete();
    this.#stream?.receiver?.onData(data, end);
    if (end) this.#settle();
  }
  onBodyTrailers(trailers: HeaderList): void {
    this.#requestComplete();
    this.#stream?.receiver?.onTrailers(trailers);
    this.#settle();
  }
  #requestComplete(): void {
    this.#phase = this.#stream === undefined ? 'head' : 'wait';
  }
  /** A stream without owner any more: its rest is read and dropped, up to a limit. */
  #countDiscarded(bytes: number): void {
    this.#discarded += bytes;
    if (this.#discarded > this.#limits.maxPipelinedBytes) this.#close();
  }
  #settle(): void {
    if (this.#stream?.responseDone === true && this.#phase === 'wait') this.responseComplete(this.#stream);
  }
  /** The response has been written; called again when the request's end comes later. */
  responseComplete(stream: Http1ServerStream): void {
    if (this.#stream !== stream) return;
    const requestComplete = this.#phase === 'wait' || this.#phase === 'tunnel-wait';
    this.#stream = undefined;
    if (!stream.keepAlive || this.#phase === 'raw' || (this.draining && requestComplete)) {
      this.#close();
      return;
    }
    this.#discarded = 0;
    if (requestComplete) this.#phase = 'head';
    // Whoever has sent this response is done with it before the next request begins.
    if ((this.#input.size > 0 || this.#readingPaused) && !this.#processing) queueMicrotask(() => this.process());
  }
  /** A tunnel was granted: what waits in the input flows. */
  enterRaw(): void {
    this.#phase = 'raw';
    this.process();
  }
  get awaitsBody(): boolean {
    return this.#phase === 'body';
  }
  get awaitsTunnel(): boolean {
    return this.#phase === 'tunnel-wait';
  }
  /** HTTP/1 knows no reset of a stream: the connection goes. */
  resetStream(stream: Http1ServerStream, detail: string): void {
    if (this.#stream !== stream) return;
    this.#stream = undefined;
    this.#phase = 'closed';
    this.out.destroy(detail);
  }
  updateFlow(): void {
    this.process();
  }
  #updateReading(): void {
    const wants =
      this.#phase !== 'closed' && (this.paused || (this.#phase !== 'head' && this.#input.size > this.#limits.maxPipelinedBytes));
    if (wants !== this.#readingPaused) {
      this.#readingPaused = wants;
      if (wants) this.#output.pauseReading?.();
      else this.#output.resumeReading?.();
    }
    // The owner goes on delivering although reading is paused.
    if (wants && this.#input.size > 16 * this.#limits.maxPipelinedBytes) {
      const stream = this.#stream;
      this.#stream = undefined;
      this.#phase = 'closed';
      stream?.fail('overflow', 'more bytes arrived while paused than may be kept');
      this.out.destroy('more bytes arrived while paused than may be kept');
    }
  }
  refuse(status: number, detail: string): boolean {
    if (!this.#headBegun || this.#phase !== 'head') return false;
    this.#answerRefused(status, detail, undefined);
    return true;
  }
  #refuse(status: number, detail: string, head?: RequestHead): void {
    this.#answerRefused(status, detail, head);
    this.#handler.onProtocolError(detail);
  }
  #answerRefused(status: number, detail: string, head: RequestHead | undefined): void {
    const stream = this.#stream;
    this.#stream = undefined;
    this.#phase = 'closed';
    this.#input.clear();
    if (stream === undefined || !stream.finalHeadSent) {
      const bytes = stream ?? this.#next;
      const answer = this.#handler.onRefusedRequest?.({ status, detail, head, known: stream !== undefined, bytes });
      const body = answer?.body ?? '';
      const fields = `${answer === undefined ? '' : this.lines.of(answer.headers)}content-length: ${body.length}\r\nconnection: close\r\n`;
      const text = `${statusLine(answer?.status ?? status)}${fields}\r\n${body}`;
      meterHead(bytes, text.length, fields.length);
      this.out.push(text);
      this.out.end();
      answer?.onWritten?.();
    } else this.out.destroy(detail);
    stream?.fail('protocol-error', detail);
  }
  #close(): void {
    this.#phase = 'closed';
    this.#input.clear();
    this.out.end();
  }
}

class Http1ServerStream extends ByteMeter implements ServerStream {
  readonly #connection: Http1ServerConnection;
  readonly #request: ParsedRequest;
  receiver: RequestReceiver | undefined;
  keepAlive: boolean;
  paused = false;
  finalHeadSent = false;
  responseDone = false;
  #bodyless = false;
  #raw = false;
  #wantsDrain = false;
  #continued = false;
  #ended: { reason: ResetReason; detail: string } | undefined;

  constructor(connection: Http1ServerConnection, request: ParsedRequest) {
    super();
    this.#connection = connection;
    this.#request = request;
    this.keepAlive = request.keepAlive;
  }
  get version(): HttpVersion {
    return this.#request.head.version;
  }
  start(receiver: RequestReceiver): void {
    this.receiver = receiver;
    if (this.#ended !== undefined) receiver.onReset(this.#ended.reason, this.#ended.detail);
  }
  sendHead(head: ResponseHead, endStream: boolean): void {
    if (this.finalHeadSent || this.responseDone) return;
    if (head.status < 200 && head.status !== 101) {
      if (this.version === 'HTTP/1.0') return;
      if (head.status === 100) this.#continued = true;
      this.#push(statusLine(head.status), this.#connection.lines.of(head.headers));
      return;
    }
    this.finalHeadSent = true;
    if (this.#connection.awaitsTunnel && this.#grants(head.status)) this.#sendGrant(head);
    else this.#sendFinalHead(head, endStream);
  }
  #grants(status: number): boolean {
    return this.#request.head.method === 'CONNECT' ? status >= 200 && status < 300 : status === 101;
  }
  #sendGrant(head: ResponseHead): void {
    this.#raw = true;
    this.keepAlive = false;
    this.#connection.encoder.start('until-close');
    let text = this.#connection.lines.of(head.headers);
    if (head.status === 101) {
      text += `connection: ${this.#connection.lines.connection ?? 'upgrade'}\r\nupgrade: ${this.#connection.lines.upgrade ?? this.#request.head.upgrade ?? 'websocket'}\r\n`;
    }
    this.#push(statusLine(head.status), text);
    this.#connection.enterRaw();
  }
  #sendFinalHead(head: ResponseHead, endStream: boolean): void {
    const { status, headers } = head;
    const { lines } = this.#connection;
    lines.begin(head.fieldCase);
    const first =
      head.reason === undefined || head.reason === '' ? statusLine(status) : `HTTP/1.1 ${status} ${safeFieldValue(head.reason)}\r\n`;
    let text = lines.of(headers);
    const { contentLength, connection } = lines;
    let framing: BodyFraming = 0;
    this.#bodyless = this.#request.head.method === 'HEAD' || status === 204 || status === 304;
    if (this.#bodyless) {
      if (contentLength !== undefined && status !== 204) text += `${lines.lengthName}${contentLength}\r\n`;
      else if (this.version === 'HTTP/1.1' && status !== 204 && status !== 304) text += `${lines.codingName}chunked\r\n`;
    } else if (contentLength !== undefined) {
      framing = Number(contentLength);
      text += `${lines.lengthName}${contentLength}\r\n`;
    } else if (endStream) text += `${lines.lengthName}0\r\n`;
    else if (this.version === 'HTTP/1.0') {
      framing = 'until-close';
      this.keepAlive = false;
    } else {
      framing = 'chunked';
      text += `${lines.codingName}chunked\r\n`;
    }
    // A client that still waits for 100 may send its body or not: only closing makes the next request unambiguous.
    if (this.#request.expectsContinue && !this.#continued && this.#connection.awaitsBody) this.keepAlive = false;
    if (this.#connection.draining || (connection !== undefined && hasToken(connection.toLowerCase(), 'close'))) this.keepAlive = false;
    if (!this.keepAlive) text += `${lines.connectionName}close\r\n`;
    else if (this.version === 'HTTP/1.0') text += `${lines.connectionName}keep-alive\r\n`;
    this.#push(this.version === 'HTTP/1.0' ? first.replace('1.1', '1.0') : first, text);
    this.#connection.encoder.start(framing);
    if (endStream) this.#finish(this.#bodyless ? undefined : this.#connection.encoder.data(noBytes, true));
  }
  #push(first: string, lines: string): void {
    meterHead(this, first.length + lines.length + 2, lines.length);
    this.#connection.out.push(`${first}${lines}\r\n`);
  }
  sendData(data: Buffer, endStream: boolean): boolean {
    if (this.responseDone || !this.finalHeadSent) return true;
    const { out, encoder } = this.#connection;
    const before = out.pushed;
    const wrong = this.#bodyless ? undefined : encoder.data(data, endStream);
    this.wireBytesSent += out.pushed - before;
    if (endStream || wrong !== undefined) this.#finish(wrong);
    this.#wantsDrain = out.congested;
    return !this.#wantsDrain;
  }
  sendTrailers(trailers: HeaderList): void {
    if (this.responseDone || !this.finalHeadSent) return;
    this.#finish(this.#bodyless ? undefined : this.#connection.encoder.trailers(trailers, this.#connection.lines, this));
  }
  #finish(wrong: string | undefined): void {
    this.responseDone = true;
    this.paused = false;
    if (wrong !== undefined) this.#connection.resetStream(this, wrong);
    else if (this.#raw) this.#connection.out.end();
    else this.#connection.responseComplete(this);
  }
  reset(reason: ResetReason): void {
    this.responseDone = true;
    this.paused = false;
    this.#connection.resetStream(this, `stream reset: ${reason}`);
  }
  pause(): void {
    this.paused = true;
    this.#connection.updateFlow();
  }
  resume(): void {
    this.paused = false;
    this.#connection.updateFlow();
  }
  receiveRaw(data: Buffer, end: boolean): void {
    this.receiver?.onData(data, end);
  }
  drained(): void {
    if (!this.#wantsDrain) return;
    this.#wantsDrain = false;
    this.receiver?.onDrain();
  }
  fail(reason: ResetReason, detail: string): void {
    this.responseDone = true;
    if (this.receiver === undefined) this.#ended = { reason, detail };
    else this.receiver.onReset(reason, detail);
  }
}

function meterHead(meter: ByteMeter, bytes: number, fieldBytes: number): void {
  meter.wireBytesSent += bytes;
  meter.headerBytesSent += fieldBytes;
  meter.decompressedHeaderBytesSent += fieldBytes;
}

function beginsMethod(byte: number | undefined): boolean {
  return byte !== undefined && ((byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122));
}

/** Where Envoy's words differ from the runtime's. */
const reasons: Readonly<Record<number, string>> = {
  102: 'Unknown',
  103: 'Unknown',
  418: 'Unknown',
  451: 'Unknown',
  509: 'Unknown',
  599: 'Last Unassigned Server Error Code',
};

const statusLines: (string | undefined)[] = [];

function statusLine(status: number): string {
  let line = statusLines[status];
  if (line === undefined) {
    line = `HTTP/1.1 ${status} ${reasons[status] ?? STATUS_CODES[status] ?? 'Unknown'}\r\n`;
    if (status < 1000) statusLines[status] = line;
  }
  return line;
}
