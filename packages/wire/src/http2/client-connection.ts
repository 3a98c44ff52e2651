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
import { errorCode, maxStreamId, preface, setting, settingEntry } from './constants.ts';
import { encodeFields, responseFromFields } from './header-block.ts';
import { type Http2ClientOptions, http2Limits } from './options.ts';
import { Http2Stream } from './stream.ts';

/** Streams opened before the server has told its limit (RFC 9113 section 6.5.2 recommends that it be no less). */
const streamsBeforeSettings = 100;

/** A client's side of HTTP/2 with prior knowledge or after ALPN. */
export function createHttp2ClientConnection(output: CodecOutput, options: Http2ClientOptions = {}): ClientConnection {
  return new Http2ClientConnection(output, options);
}

class Http2ClientConnection extends Http2Connection implements ClientConnection {
  /** Streams handed out whose request has not begun: they have no id yet. */
  #reserved = 0;
  #nextId = 1;
  #goaway = false;
  #settled = false;
  onAvailable: (() => void) | undefined;

  constructor(output: CodecOutput, options: Http2ClientOptions) {
    super(output, http2Limits(options));
    this.peerMaxStreams = streamsBeforeSettings;
    this.out.push(preface);
    this.sendSettings(settingEntry(setting.enablePush, 0));
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
    return new PendingStream(this, receiver);
  }
  /** Gives a reserved stream its id and sends its head: ids must go out in order. */
  begin(receiver: ResponseReceiver, head: RequestHead, endStream: boolean): Http2ClientStream | undefined {
    this.#reserved--;
    if (this.isClosed || this.#goaway) {
      receiver.onReset(this.isClosed ? 'connection-termination' : 'refused-stream', 'the connection takes no more streams');
      return undefined;
    }
    if (head.upgrade !== undefined && !this.extendedConnect) {
      receiver.onReset('protocol-error', 'the server does not allow extended CONNECT');
      this.onStreamsChanged();
      return undefined;
    }
    const id = this.#nextId;
    this.#nextId += 2;
    const { initialStreamWindowBytes, maxSendBufferBytes } = this.limits;
    const stream = new Http2ClientStream(this, id, this.peerInitialWindow, initialStreamWindowBytes, maxSendBufferBytes, receiver, head);
    this.streams.set(id, stream);
    this.#sendRequestHead(id, head, endStream);
    stream.headSent = true;
    if (endStream) stream.closeLocal();
    return stream;
  }
  giveBack(): void {
    this.#reserved--;
    this.onStreamsChanged();
  }
  #sendRequestHead(id: number, head: RequestHead, endStream: boolean): void {
    const encoder = this.encoder;
    encoder.begin();
    encoder.field(':method', head.upgrade === undefined ? head.method : 'CONNECT');
    if (head.upgrade !== undefined) encoder.field(':protocol', head.upgrade);
    if (head.method !== 'CONNECT') {
      encoder.field(':scheme', head.scheme);
      encoder.field(':path', head.path === '' ? '/' : head.path);
    }
    if (head.authority !== '') encoder.field(':authority', head.authority);
    encodeFields(encoder, head.headers);
    this.writeHeaders(id, endStream);
  }
  protected isIdle(streamId: number): boolean {
    return streamId % 2 === 0 || streamId >= this.#nextId;
  }
  protected onHeaders(streamId: number, fields: HeaderList, tooLarge: boolean, endStream: boolean): void {
    const stream = this.streams.get(streamId);
    if (!(stream instanceof Http2ClientStream)) {
      this.connectionError(errorCode.protocolError, 'HEADERS on an idle stream');
      return;
    }
    if (stream.headReceived) this.receiveTrailers(stream, fields, tooLarge, endStream);
    else stream.receiveHead(fields, tooLarge, endStream);
  }
  writeTrailers(id: number, trailers: HeaderList): void {
    this.encoder.begin();
    encodeFields(this.encoder, trailers);
    this.writeHeaders(id, true);
  }
  protected onPeerReset(stream: Http2Stream, code: number): void {
    // NO_ERROR after a complete response only stops the request's body.
    if (code === errorCode.noError && stream.remoteClosed) stream.fail('remote-reset', 'the server wants no more of the request');
    else stream.fail(code === errorCode.refusedStream ? 'refused-stream' : 'remote-reset', `the server reset the stream (${code})`);
  }
  protected onGoaway(lastStreamId: number): void {
    this.#goaway = true;
    for (const stream of [...this.streams.values()]) {
      if (stream.id > lastStreamId) stream.fail('refused-stream', 'the server is going away');
    }
    this.draining = true;
    this.finishIfDrained();
    this.onAvailable?.();
  }
  protected onPingAck(): void {}
  protected onConnectionError(): void {}
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

/** What `openStream` gives: it becomes a stream of the connection when the request's head is sent. */
class PendingStream implements ClientStream {
  readonly #connection: Http2ClientConnection;
  readonly #receiver: ResponseReceiver;
  #stream: Http2ClientStream | undefined;
  #begun = false;
  #paused = false;

  constructor(connection: Http2ClientConnection, receiver: ResponseReceiver) {
    this.#connection = connection;
    this.#receiver = receiver;
  }
  sendHead(head: RequestHead, endStream: boolean): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#stream = this.#connection.begin(this.#receiver, head, endStream);
    if (this.#paused) this.#stream?.pause();
  }
  sendData(data: Buffer, endStream: boolean): boolean {
    return this.#stream?.sendData(data, endStream) ?? true;
  }
  sendTrailers(trailers: HeaderList): void {
    this.#stream?.sendTrailers(trailers);
  }
  reset(reason: ResetReason): void {
    if (this.#begun) this.#stream?.reset(reason);
    else {
      this.#begun = true;
      this.#connection.giveBack();
    }
  }
  pause(): void {
    this.#paused = true;
    this.#stream?.pause();
  }
  resume(): void {
    this.#paused = false;
    this.#stream?.resume();
  }
}

class Http2ClientStream extends Http2Stream {
  readonly #receiver: ResponseReceiver;
  readonly #request: RequestHead;
  protected readonly resetCode = errorCode.cancel;
  headReceived = false;

  constructor(
    connection: Http2ClientConnection,
    id: number,
    sendWindow: number,
    receiveWindow: number,
    maxSendBufferBytes: number,
    receiver: ResponseReceiver,
    request: RequestHead,
  ) {
    super(connection, id, sendWindow, receiveWindow, maxSendBufferBytes);
    this.#receiver = receiver;
    this.#request = request;
  }
  protected get owner(): ResponseReceiver {
    return this.#receiver;
  }
  receiveHead(fields: HeaderList, tooLarge: boolean, endStream: boolean): void {
    const received = tooLarge ? 'response headers too large' : responseFromFields(fields);
    if (typeof received === 'string') {
      this.fail('protocol-error', received, errorCode.protocolError);
      return;
    }
    const head: ResponseHead = received.head;
    if (head.status < 200) {
      if (endStream) this.fail('protocol-error', 'interim response that ends the stream', errorCode.protocolError);
      else this.#receiver.onHead(head, false);
      return;
    }
    this.headReceived = true;
    const bodyless = this.#request.method === 'HEAD' || head.status === 304 || head.status === 204;
    if (!bodyless) this.expectedBytes = received.contentLength;
    if (endStream && this.expectedBytes > 0) {
      this.fail('protocol-error', 'body differs from its content-length', errorCode.protocolError);
      return;
    }
    if (this.#request.upgrade !== undefined && head.status < 300 && !endStream) head.status = 101;
    this.remoteClosed = endStream;
    this.#receiver.onHead(head, endStream);
    if (endStream) this.settle();
  }
}
