import { requireName } from '../hpack/known-name.ts';
import type {
  ClientConnection,
  ClientStream,
  CodecOutput,
  HeaderList,
  RequestHead,
  ResetReason,
  ResponseHead,
  ResponseReceiver,
} from '../http.ts';
import { Http2Connection } from './connection.ts';
import { errorCode, maxStreamId, maxWindowBytes, preface, setting, settingEntry } from './constants.ts';
import { encodeFields, type ReceivedHead, responseFromFields } from './header-block.ts';
import type { HeaderBlock } from './header-cache.ts';
import { type Http2ClientOptions, http2Limits } from './options.ts';
import { Http2Stream } from './stream.ts';

/** Streams opened before the server has told its limit (RFC 9113 section 6.5.2 recommends that it be no less). */
const streamsBeforeSettings = 100;

/** A client's side of HTTP/2 with prior knowledge or after ALPN. */
export function createHttp2ClientConnection(output: CodecOutput, options: Http2ClientOptions = {}): ClientConnection {
  return new Http2ClientConnection(output, options);
}

const names = {
  method: requireName(':method'),
  protocol: requireName(':protocol'),
  scheme: requireName(':scheme'),
  path: requireName(':path'),
  authority: requireName(':authority'),
};

type Parsed = ReceivedHead<ResponseHead> | string;

class Http2ClientConnection extends Http2Connection<Http2ClientStream, Parsed> implements ClientConnection {
  /** Streams handed out whose request has not begun: they have no id yet. */
  #reserved = 0;
  #nextId = 1;
  #goaway = false;
  #settled = false;
  protocolError = false;
  onAvailable: (() => void) | undefined;

  constructor(output: CodecOutput, options: Http2ClientOptions) {
    super(output, http2Limits(options));
    this.peerMaxStreams = streamsBeforeSettings;
    this.out.text(preface);
    const { allowExtendedConnect, maxConcurrentStreams, headerTableBytes, initialStreamWindowBytes } = this.limits;
    let settings = settingEntry(setting.enablePush, 0) + settingEntry(setting.headerTableSize, headerTableBytes);
    settings += settingEntry(setting.enableConnectProtocol, allowExtendedConnect ? 1 : 0);
    if (maxConcurrentStreams < maxWindowBytes) settings += settingEntry(setting.maxConcurrentStreams, maxConcurrentStreams);
    this.sendSettings(settings + settingEntry(setting.initialWindowSize, initialStreamWindowBytes), true);
  }
  override get activeStreams(): number {
    return this.streams.size + this.#reserved;
  }
  get available(): boolean {
    return (
      !this.isClosed &&
      !this.draining &&
      !this.#goaway &&
      this.#nextId < maxStreamId &&
      this.activeStreams < Math.min(this.peerMaxStreams, this.limits.maxConcurrentStreams)
    );
  }
  /** False once the server's SETTINGS exclude extended CONNECT. */
  get extendedConnect(): boolean {
    return this.peerExtendedConnect || !this.#settled;
  }
  openStream(receiver: ResponseReceiver): ClientStream | undefined {
    if (!this.available) return undefined;
    this.#reserved++;
    return new Http2ClientStream(this, this.limits.initialStreamWindowBytes, receiver);
  }
  /** Gives a reserved stream its id and sends its head: ids must go out in order. */
  begin(stream: Http2ClientStream, head: RequestHead, endStream: boolean): void {
    this.#reserved--;
    if (this.isClosed || this.#goaway) {
      stream.fail(this.isClosed ? 'connection-termination' : 'refused-stream', 'the connection takes no more streams');
      return;
    }
    if (head.upgrade !== undefined && !this.extendedConnect) {
      stream.fail('protocol-error', 'the server does not allow extended CONNECT');
      this.onStreamsChanged();
      return;
    }
    stream.id = this.#nextId;
    this.#nextId += 2;
    stream.sendWindow = this.peerInitialWindow;
    this.streams.add(stream);
    this.#sendRequestHead(stream, head, endStream);
    stream.headSent = true;
    if (endStream) stream.closeLocal();
  }
  giveBack(): void {
    this.#reserved--;
    this.onStreamsChanged();
  }
  #sendRequestHead(stream: Http2ClientStream, head: RequestHead, endStream: boolean): void {
    const { encoder } = this;
    const start = this.beginHeaders();
    encoder.knownField(names.method, head.upgrade === undefined ? head.method : 'CONNECT');
    if (head.upgrade !== undefined) encoder.knownField(names.protocol, head.upgrade);
    if (head.method !== 'CONNECT') {
      encoder.knownField(names.scheme, head.scheme);
      encoder.knownField(names.path, head.path === '' ? '/' : head.path);
    }
    if (head.authority !== '') encoder.knownField(names.authority, head.authority);
    encodeFields(encoder, head.headers);
    this.endHeaders(start, stream, endStream);
  }
  protected isIdle(streamId: number): boolean {
    return streamId % 2 === 0 || streamId >= this.#nextId;
  }
  protected onHeaders(streamId: number, block: HeaderBlock<Parsed>, endStream: boolean): void {
    const stream = this.streams.get(streamId);
    if (stream === undefined) this.connectionError(errorCode.protocolError, 'HEADERS on an idle stream');
    else if (stream.headReceived) this.receiveTrailers(stream, block, endStream);
    else stream.receiveHead(block, endStream);
  }
  writeTrailers(stream: Http2Stream, trailers: HeaderList): void {
    const start = this.beginHeaders();
    encodeFields(this.encoder, trailers);
    this.endHeaders(start, stream, true);
  }
  protected onPeerReset(stream: Http2ClientStream, code: number): void {
    // NO_ERROR after a complete response only stops the request's body.
    if (code === errorCode.noError && stream.remoteClosed) stream.fail('remote-reset', 'the server wants no more of the request');
    else if (code === errorCode.protocolError) stream.fail('protocol-error', 'the server found a protocol error');
    else stream.fail(code === errorCode.refusedStream ? 'refused-stream' : 'remote-reset', `the server reset the stream (${code})`);
  }
  protected onGoaway(lastStreamId: number): void {
    this.#goaway = true;
    for (const stream of this.streams.all()) {
      if (stream.id > lastStreamId) stream.fail('refused-stream', 'the server is going away');
    }
    this.draining = true;
    this.finishIfDrained();
    this.onAvailable?.();
  }
  /** A server whose answers make no sense is not asked again, unless the options say otherwise. */
  override onInvalidMessage(stream: Http2ClientStream, detail: string): void {
    if (this.limits.resetsInvalidStreams) super.onInvalidMessage(stream, detail);
    else this.connectionError(errorCode.protocolError, detail);
  }
  protected onConnectionError(): void {
    this.protocolError = true;
  }
  get peerClosing(): boolean {
    return this.#goaway;
  }
  protected onStreamsChanged(): void {
    this.onAvailable?.();
  }
  protected override onSettingsApplied(maxStreamsGiven: boolean): void {
    if (!this.#settled && !maxStreamsGiven) this.peerMaxStreams = Number.POSITIVE_INFINITY;
    this.#settled = true;
  }
  drain(): void {
    if (this.draining || this.isClosed) return;
    this.draining = true;
    this.writeGoaway(0, errorCode.noError, '');
    this.finishIfDrained();
  }
}

/** What `openStream` gives: it gets its id when the request's head is sent. */
class Http2ClientStream extends Http2Stream implements ClientStream {
  readonly #connection: Http2ClientConnection;
  readonly #receiver: ResponseReceiver;
  protected get resetCode(): number {
    return errorCode.internalError;
  }
  #begun = false;
  #bodyless = false;
  #upgrading = false;
  headReceived = false;

  constructor(connection: Http2ClientConnection, receiveWindow: number, receiver: ResponseReceiver) {
    super(connection, 0, 0, receiveWindow);
    this.#connection = connection;
    this.#receiver = receiver;
  }
  protected get owner(): ResponseReceiver {
    return this.#receiver;
  }
  sendHead(head: RequestHead, endStream: boolean): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#bodyless = head.method === 'HEAD';
    this.#upgrading = head.upgrade !== undefined;
    this.#connection.begin(this, head, endStream);
  }
  override reset(reason: ResetReason): void {
    if (this.#begun) {
      super.reset(reason);
      return;
    }
    this.#begun = true;
    this.dead = true;
    this.#connection.giveBack();
  }
  override receiveData(data: Buffer, flowBytes: number, end: boolean): void {
    if (this.headReceived) super.receiveData(data, flowBytes, end);
    else this.#connection.onInvalidMessage(this, 'DATA before the head of the answer');
  }
  receiveHead(block: HeaderBlock<Parsed>, endStream: boolean): void {
    block.parsed ??= responseFromFields(block.fields);
    if (block.tooLarge) {
      this.fail('remote-reset', 'response headers too large', errorCode.internalError);
      return;
    }
    const received = block.parsed;
    if (typeof received === 'string') {
      this.#connection.onInvalidMessage(this, received);
      return;
    }
    const { status, headers } = received.head;
    const head: ResponseHead = block.cached ? { status, headers: headers.slice() } : received.head;
    if (status < 200) {
      if (endStream || status === 101)
        this.#connection.onInvalidMessage(this, 'interim response that ends the stream or switches protocols');
      else this.#receiver.onHead(head, false);
      return;
    }
    this.headReceived = true;
    const bodyless = this.#bodyless || status === 304 || status === 204;
    if (!bodyless) this.expectedBytes = received.contentLength;
    if (endStream && this.expectedBytes > 0) {
      this.fail('protocol-error', 'body differs from its content-length', errorCode.protocolError);
      return;
    }
    if (this.#upgrading && status === 200 && !endStream) head.status = 101;
    this.remoteClosed = endStream;
    this.#receiver.onHead(head, endStream);
    if (endStream) this.settle();
  }
}
