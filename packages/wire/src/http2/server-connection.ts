import { requireName } from '../hpack/known-name.ts';
import type {
  CodecOutput,
  HeaderList,
  RequestHead,
  RequestReceiver,
  ResetReason,
  ResponseHead,
  ServerConnection,
  ServerConnectionHandler,
  ServerStream,
} from '../http.ts';
import { Http2Connection } from './connection.ts';
import { errorCode, maxStreamId, maxWindowBytes, preface, setting, settingEntry } from './constants.ts';
import { FloodGuard } from './flood-guard.ts';
import { copyRequest, encodeFields, type ReceivedHead, requestFromFields } from './header-block.ts';
import type { HeaderBlock } from './header-cache.ts';
import { type Http2ServerOptions, http2Limits } from './options.ts';
import { Http2Stream } from './stream.ts';

const resetsLimit = 500;
const statusName = requireName(':status');

/** A server's side of HTTP/2, with the connection preface (RFC 9113 section 3.4). */
export function createHttp2ServerConnection(
  output: CodecOutput,
  handler: ServerConnectionHandler,
  options: Http2ServerOptions = {},
): ServerConnection {
  return new Http2ServerConnection(output, handler, options);
}

type Parsed = ReceivedHead<RequestHead> | string;

class Http2ServerConnection extends Http2Connection<Http2ServerStream, Parsed> implements ServerConnection {
  readonly #handler: ServerConnectionHandler;
  readonly #resets: FloodGuard;
  #prefaceRead = 0;
  #announced = false;

  constructor(output: CodecOutput, handler: ServerConnectionHandler, options: Http2ServerOptions) {
    super(output, http2Limits(options));
    this.#handler = handler;
    this.#resets = new FloodGuard(resetsLimit, options.now);
    const { allowExtendedConnect, maxConcurrentStreams, headerTableBytes, initialStreamWindowBytes } = this.limits;
    let settings = settingEntry(setting.headerTableSize, headerTableBytes);
    if (maxConcurrentStreams < maxWindowBytes) settings += settingEntry(setting.maxConcurrentStreams, maxConcurrentStreams);
    settings += settingEntry(setting.initialWindowSize, initialStreamWindowBytes);
    // In this order Envoy sends them too, and the window after the client's own.
    this.sendSettings(settings + settingEntry(setting.enableConnectProtocol, allowExtendedConnect ? 1 : 0), false);
  }
  protected override readPreface(bytes: Buffer): number {
    let at = 0;
    for (; this.#prefaceRead < preface.length && at < bytes.length; at++, this.#prefaceRead++) {
      if (bytes[at] === preface.charCodeAt(this.#prefaceRead)) continue;
      this.forbidden(errorCode.protocolError, 'wrong connection preface');
      break;
    }
    return at;
  }
  protected isIdle(streamId: number): boolean {
    return streamId > this.lastPeerStream;
  }
  protected onHeaders(streamId: number, block: HeaderBlock<Parsed>, endStream: boolean): void {
    const open = this.streams.get(streamId);
    if (open !== undefined) {
      this.receiveTrailers(open, block, endStream);
      return;
    }
    if (streamId % 2 === 0) {
      this.forbidden(errorCode.protocolError, 'a client opened an even stream');
      return;
    }
    this.lastPeerStream = streamId;
    if (this.draining || this.streams.size >= this.limits.maxConcurrentStreams) {
      if (this.#resets.hit()) this.connectionError(errorCode.enhanceYourCalm, 'too many streams past the limit');
      else this.writeReset(streamId, errorCode.refusedStream);
      return;
    }
    if (block.tooLarge) {
      const tooMany = block.fields.length >= 2 * this.limits.maxHeadersCount;
      this.#handler.onInvalidRequest?.(tooMany ? 'too many headers' : 'request headers too large');
      this.writeReset(streamId, errorCode.internalError);
      return;
    }
    let received = this.#parse(block);
    if (typeof received !== 'string' && received.contentLength > 0 && endStream) received = 'body differs from its content-length';
    if (typeof received === 'string') {
      this.#handler.onInvalidRequest?.(received);
      if (this.limits.closesOnInvalidRequest) this.endQuietly(received);
      else this.writeReset(streamId, errorCode.protocolError);
      return;
    }
    const stream = new Http2ServerStream(this, streamId, this.peerInitialWindow, this.limits.initialStreamWindowBytes);
    this.streams.add(stream);
    this.meterHeaders(stream, block);
    stream.remoteClosed = endStream;
    stream.expectedBytes = received.contentLength;
    const head = block.cached ? copyRequest(received.head) : received.head;
    stream.upgrading = head.upgrade !== undefined;
    stream.start(this.#handler.onRequest(stream, head, endStream));
  }
  #parse(block: HeaderBlock<Parsed>): Parsed {
    block.parsed ??= requestFromFields(block.fields, this.limits.allowExtendedConnect);
    return block.parsed;
  }
  sendResponseHead(stream: Http2ServerStream, status: number, headers: HeaderList, endStream: boolean): void {
    const start = this.beginHeaders();
    this.encoder.knownField(statusName, status === 200 ? '200' : String(status));
    encodeFields(this.encoder, headers);
    this.endHeaders(start, stream, endStream);
  }
  /** A response was sent to its end: resets are paid off by that alone, not by streams that are only opened. */
  responseComplete(): void {
    this.#resets.relieve();
  }
  writeTrailers(stream: Http2Stream, trailers: HeaderList): void {
    const start = this.beginHeaders();
    encodeFields(this.encoder, trailers);
    this.endHeaders(start, stream, true);
  }
  protected onPeerReset(stream: Http2ServerStream, code: number): void {
    if (this.#resets.hit()) this.connectionError(errorCode.enhanceYourCalm, 'too many streams reset');
    else stream.fail(code === errorCode.refusedStream ? 'refused-stream' : 'remote-reset', `the client reset the stream (${code})`);
  }
  /** The client will open no more streams, and ends the connection itself when it wants. */
  protected onGoaway(): void {}
  announceDrain(): void {
    if (this.#announced || this.draining || this.isClosed) return;
    this.#announced = true;
    this.writeGoaway(maxStreamId, errorCode.noError, '');
  }
  drain(): void {
    if (this.draining || this.isClosed) return;
    this.draining = true;
    this.writeGoaway(this.lastPeerStream, errorCode.noError, '');
    this.finishIfDrained();
  }
  refuse(): boolean {
    return false;
  }
  protected override forbidden(_code: number, detail: string): void {
    this.endQuietly(detail);
  }
  protected override onInvalidMessage(stream: Http2ServerStream, detail: string): void {
    if (this.limits.closesOnInvalidRequest) this.endQuietly(detail);
    else super.onInvalidMessage(stream, detail);
  }
  protected override onBrokenBlock(streamId: number): void {
    if (this.streams.get(streamId) !== undefined || !this.isIdle(streamId)) return;
    this.lastPeerStream = streamId;
    this.#handler.onInvalidRequest?.('header block cut off');
  }
  protected onConnectionError(detail: string): void {
    this.#handler.onProtocolError(detail);
  }
  protected onStreamsChanged(): void {}
}

class Http2ServerStream extends Http2Stream implements ServerStream {
  readonly #connection: Http2ServerConnection;
  /** The request was extended CONNECT: 101 is 200 on the wire. */
  upgrading = false;
  connectFailed = false;
  #receiver: RequestReceiver | undefined = undefined;
  #ended: { reason: ResetReason; detail: string } | undefined = undefined;
  protected get resetCode(): number {
    return this.connectFailed ? errorCode.connectError : errorCode.internalError;
  }

  constructor(connection: Http2ServerConnection, id: number, sendWindow: number, receiveWindow: number) {
    super(connection, id, sendWindow, receiveWindow);
    this.#connection = connection;
  }
  protected get owner(): RequestReceiver | undefined {
    return this.#receiver;
  }
  start(receiver: RequestReceiver): void {
    this.#receiver = receiver;
    if (this.#ended !== undefined) receiver.onReset(this.#ended.reason, this.#ended.detail);
  }
  override fail(reason: ResetReason, detail: string, code?: number): void {
    if (!this.dead && this.#receiver === undefined) this.#ended = { reason, detail };
    super.fail(reason, detail, code);
  }
  sendHead(head: ResponseHead, endStream: boolean): void {
    if (this.dead || this.headSent) return;
    const upgraded = head.status === 101 && this.upgrading;
    if (head.status === 101 && !upgraded) return;
    const final = head.status >= 200 || upgraded;
    this.headSent = final;
    this.#connection.sendResponseHead(this, upgraded ? 200 : head.status, head.headers, final && endStream);
    if (final && endStream) this.closeLocal();
  }
  /** The response is complete: what the client still sends is not wanted (RFC 9113 section 8.1). */
  protected override settle(): void {
    if (this.localClosed && !this.dead) this.#connection.responseComplete();
    if (this.localClosed && !this.remoteClosed && !this.dead) {
      this.carrier.writeReset(this.id, this.connectFailed ? errorCode.connectError : errorCode.noError);
      this.retire();
    } else if (this.localClosed) this.retire();
  }
}
