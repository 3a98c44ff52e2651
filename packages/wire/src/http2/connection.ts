import { HpackEncoder } from '../hpack/encoder.ts';
import type { CodecOutput, HeaderList } from '../http.ts';
import { ClosedStreams } from './closed-streams.ts';
import {
  defaultMaxFrameBytes,
  defaultWindowBytes,
  errorCode,
  flag,
  frameHeaderBytes,
  frameType,
  maxStreamId,
  maxWindowBytes,
  setting,
  settingEntry,
  uint32,
} from './constants.ts';
import { FloodGuard } from './flood-guard.ts';
import { ConnectionWindows } from './flow-control.ts';
import { FrameReader, type FrameSink } from './frame-reader.ts';
import { FrameWriter } from './frame-writer.ts';
import { trailersFromFields } from './header-block.ts';
import type { HeaderBlock } from './header-cache.ts';
import { HeaderReader } from './header-reader.ts';
import { Keepalive } from './keepalive.ts';
import type { Http2Limits } from './options.ts';
import type { Http2Stream, StreamCarrier } from './stream.ts';
import { StreamTable } from './stream-table.ts';

const controlFramesLimit = 2000;
/** What a peer may use until it has seen a smaller limit. */
const defaultTableBytes = 4096;
const noBytes = Buffer.alloc(0);
/** What a ping carries. */
const keepalivePing = '\0\0\0alive';

/**
 * Frames, settings, windows and shutdown of one connection (RFC 9113): what both roles share. `Parsed` is what a role makes of a
 * message's first header block.
 */
export abstract class Http2Connection<Stream extends Http2Stream, Parsed> implements StreamCarrier, FrameSink {
  protected readonly limits: Http2Limits;
  protected readonly out: FrameWriter;
  protected readonly encoder: HpackEncoder;
  protected readonly streams = new StreamTable<Stream>();
  protected readonly guard: FloodGuard;
  readonly #reader = new FrameReader(this);
  readonly #headers: HeaderReader<Parsed>;
  readonly #windows: ConnectionWindows;
  readonly #closedStreams = new ClosedStreams();
  #waiting: Http2Stream[] = [];
  /** Input that came while input was read. */
  #later: Buffer[] | undefined;
  #processing = false;
  #settingsSeen = false;
  /** The connection's window beyond the default: told after the peer's settings. */
  #windowToTell = 0;
  readonly #keepalive: Keepalive | undefined;
  protected peerInitialWindow = defaultWindowBytes;
  protected peerMaxStreams = Number.POSITIVE_INFINITY;
  protected peerExtendedConnect = false;
  readonly maxFrameBytes = defaultMaxFrameBytes;
  protected lastPeerStream = 0;
  protected draining = false;
  protected isClosed = false;

  constructor(output: CodecOutput, limits: Http2Limits) {
    this.limits = limits;
    this.out = new FrameWriter(output);
    this.encoder = new HpackEncoder(this.out);
    this.guard = new FloodGuard(controlFramesLimit, limits.now);
    this.#headers = new HeaderReader(limits.maxHeadersBytes, limits.maxHeadersCount, Math.max(defaultTableBytes, limits.headerTableBytes));
    this.#windows = new ConnectionWindows(limits.initialConnectionWindowBytes);
    if (limits.keepalive === undefined) return;
    const ping = () => this.out.textFrame(frameType.ping, 0, 0, keepalivePing);
    this.#keepalive = new Keepalive(limits.keepalive, ping, () => this.#peerGone());
  }
  protected abstract onHeaders(streamId: number, block: HeaderBlock<Parsed>, endStream: boolean): void;
  protected abstract isIdle(streamId: number): boolean;
  protected abstract onPeerReset(stream: Stream, code: number): void;
  protected abstract onGoaway(lastStreamId: number): void;
  protected abstract onConnectionError(detail: string): void;
  protected abstract onStreamsChanged(): void;
  protected onSettingsApplied(_maxStreamsGiven: boolean): void {}
  /** A header block that has begun will never be a message. */
  protected onBrokenBlock(_streamId: number): void {}

  get activeStreams(): number {
    return this.streams.size;
  }
  get sendAllowance(): number {
    return this.out.congested ? 0 : this.#windows.send;
  }
  get maxSendBufferBytes(): number {
    return this.limits.maxSendBufferBytes;
  }
  get readsFrames(): boolean {
    return !this.isClosed;
  }
  /** `entries` without those of the options' `customSettings`. The connection's window is told with them, or after the peer's. */
  protected sendSettings(entries: string, windowAtOnce: boolean): void {
    const { initialConnectionWindowBytes, customSettings } = this.limits;
    let all = entries;
    for (const [id, value] of customSettings) all += settingEntry(id, value);
    this.out.textFrame(frameType.settings, 0, 0, all);
    this.#windowToTell = initialConnectionWindowBytes - defaultWindowBytes;
    if (windowAtOnce) this.#tellWindow();
  }
  #tellWindow(): void {
    if (this.#windowToTell > 0) this.#writeWindowUpdate(0, this.#windowToTell);
    this.#windowToTell = 0;
  }
  /** `bytes` are borrowed until the batch ends. */
  receive(bytes: Buffer): void {
    if (this.isClosed || bytes.length === 0) return;
    if (this.#processing) {
      this.#later ??= [];
      this.#later.push(Buffer.from(bytes));
      return;
    }
    this.#processing = true;
    this.out.hold();
    try {
      this.#read(bytes);
      for (let next = this.#later?.shift(); next !== undefined; next = this.#later?.shift()) this.#read(next);
    } finally {
      this.#processing = false;
      this.out.release();
    }
  }
  #read(bytes: Buffer): void {
    const start = this.readPreface(bytes);
    if (start < bytes.length && !this.isClosed) this.#reader.read(bytes, start);
  }
  /** Takes what stands before the first frame; returns where that starts. */
  protected readPreface(_bytes: Buffer): number {
    return 0;
  }
  receiveEnd(): void {
    if (this.isClosed) return;
    this.shutDown('the peer closed the connection');
    this.out.end();
  }
  closed(detail: string): void {
    this.out.abandon();
    this.shutDown(detail);
  }
  protected shutDown(detail: string): void {
    if (this.isClosed && this.streams.size === 0) return;
    this.isClosed = true;
    this.#keepalive?.close();
    for (const stream of this.streams.all()) stream.fail('connection-termination', detail);
    this.onStreamsChanged();
  }
  onSocketDrain(): void {
    this.out.drained();
    this.#pumpWaiting();
  }
  /** A ping stayed without an answer: whatever was written will not arrive either. */
  #peerGone(): void {
    if (this.isClosed) return;
    const detail = 'the peer did not answer a keepalive ping';
    this.out.destroy(detail);
    this.shutDown(detail);
  }
  connectionError(code: number, detail: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#keepalive?.close();
    this.writeGoaway(this.lastPeerStream, code, detail);
    this.out.end();
    for (const stream of this.streams.all()) stream.fail('protocol-error', detail);
    this.onConnectionError(detail);
    this.onStreamsChanged();
  }
  /** A fault of the peer's that is no fault of framing. */
  protected forbidden(code: number, detail: string): void {
    this.connectionError(code, detail);
  }
  /** Ends the connection without a word, as Envoy does after a message that HTTP/2 forbids. */
  protected endQuietly(detail: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#keepalive?.close();
    this.out.end();
    for (const stream of this.streams.all()) stream.fail('protocol-error', detail);
    this.onConnectionError(detail);
    this.onStreamsChanged();
  }
  protected finishIfDrained(): void {
    if (!this.draining || this.isClosed || this.streams.size > 0) return;
    this.isClosed = true;
    this.#keepalive?.close();
    this.out.end();
    this.onStreamsChanged();
  }

  // Reading.

  onFrameTooLarge(length: number): void {
    this.connectionError(errorCode.frameSizeError, `frame of ${length} bytes`);
  }
  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, from: number, to: number): void {
    if (!this.#settingsSeen) {
      if (type !== frameType.settings || (flags & flag.ack) !== 0) {
        this.#violation('the first frame is not SETTINGS');
        return;
      }
      this.#settingsSeen = true;
    }
    if (this.#headers.open && type !== frameType.continuation) {
      this.onBrokenBlock(this.#headers.streamId);
      this.#violation('frame inside a header block');
      return;
    }
    switch (type) {
      case frameType.data:
        this.#onData(flags, streamId, bytes, from, to);
        return;
      case frameType.headers:
        this.#onHeadersFrame(flags, streamId, bytes, from, to);
        return;
      case frameType.continuation:
        this.#onContinuation(flags, streamId, bytes, from, to);
        return;
      case frameType.windowUpdate:
        this.#onWindowUpdate(streamId, bytes.subarray(from, to));
        return;
      default:
        this.#onControl(type, flags, streamId, bytes.subarray(from, to));
    }
  }
  #onControl(type: number, flags: number, streamId: number, payload: Buffer): void {
    switch (type) {
      case frameType.settings:
        this.#onSettings(flags, streamId, payload);
        return;
      case frameType.rstStream:
        this.#onReset(streamId, payload);
        return;
      case frameType.ping:
        this.#onPing(flags, streamId, payload);
        return;
      case frameType.goaway:
        if (streamId !== 0) this.#violation('GOAWAY on a stream');
        else if (payload.length < 8) this.#badSize('GOAWAY');
        else this.onGoaway(payload.readUInt32BE(0) & maxStreamId);
        return;
      case frameType.priority:
        if (streamId === 0) this.#violation('PRIORITY on stream 0');
        else if (payload.length !== 5) this.#badSize('PRIORITY');
        else if ((payload.readUInt32BE(0) & maxStreamId) === streamId) this.#violation('stream depends on itself');
        else this.#countControl('PRIORITY');
        return;
      case frameType.pushPromise:
        this.forbidden(errorCode.protocolError, 'PUSH_PROMISE although push is off');
        return;
      default:
        this.#countControl('unknown');
    }
  }
  #onData(flags: number, streamId: number, bytes: Buffer, from: number, to: number): void {
    if (streamId === 0 || this.isIdle(streamId)) {
      this.#violation('DATA on an idle stream');
      return;
    }
    const flowBytes = to - from;
    const padding = this.#padding(flags, bytes, from, to);
    if (padding < 0) return;
    const data = (flags & flag.padded) === 0 ? bytes.subarray(from, to) : bytes.subarray(from + 1, to - padding);
    const end = (flags & flag.endStream) !== 0;
    if (data.length === 0 && !end) this.#countControl('empty DATA');
    else this.guard.relieve();
    if (!this.#windows.received(flowBytes)) {
      this.connectionError(errorCode.flowControlError, 'more DATA than the connection window');
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream !== undefined) stream.wireBytesReceived += frameHeaderBytes + flowBytes;
    if (stream === undefined || stream.remoteClosed) {
      this.credit(undefined, flowBytes);
      if (stream !== undefined) stream.fail('protocol-error', 'DATA after the end of the stream', errorCode.streamClosed);
      else if (this.#closedStreams.find(streamId) !== 'by-us') this.#countedReset(streamId, errorCode.streamClosed);
      return;
    }
    stream.receiveWindow -= flowBytes;
    if (stream.receiveWindow < 0) {
      this.credit(undefined, flowBytes);
      stream.fail('protocol-error', 'more DATA than the stream window', errorCode.flowControlError);
      return;
    }
    if (stream.expectedBytes >= 0) {
      stream.expectedBytes -= data.length;
      if (stream.expectedBytes < 0 || (end && stream.expectedBytes !== 0)) {
        this.credit(undefined, flowBytes);
        stream.fail('protocol-error', 'body differs from its content-length', errorCode.protocolError);
        return;
      }
    }
    stream.receiveData(data, flowBytes, end);
  }
  #onHeadersFrame(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    if (streamId === 0) {
      this.#violation('HEADERS on stream 0');
      return;
    }
    const padding = this.#padding(flags, bytes, start, end);
    if (padding < 0) return;
    const to = end - padding;
    let from = (flags & flag.padded) === 0 ? start : start + 1;
    let selfDependent = false;
    if ((flags & flag.priority) !== 0) {
      if (to - from < 5) {
        this.#badSize('HEADERS');
        return;
      }
      selfDependent = (bytes.readUInt32BE(from) & maxStreamId) === streamId;
      from += 5;
    }
    this.#headers.begin(streamId, flags, selfDependent, frameHeaderBytes + end - start);
    if ((flags & flag.endHeaders) !== 0) this.#endHeaders(bytes, from, to);
    else this.#headers.add(bytes, from, to);
  }
  #onContinuation(flags: number, streamId: number, bytes: Buffer, from: number, to: number): void {
    const headers = this.#headers;
    headers.wireBytes += to - from;
    if (!headers.open || headers.streamId !== streamId) this.#violation('CONTINUATION without HEADERS');
    else if ((flags & flag.endHeaders) !== 0) this.#endHeaders(bytes, from, to);
    else if (!headers.add(bytes, from, to)) this.connectionError(errorCode.enhanceYourCalm, 'header block too large');
  }
  #endHeaders(bytes: Buffer, from: number, to: number): void {
    const { streamId, flags, selfDependent } = this.#headers;
    const block = this.#headers.end(bytes, from, to);
    if (block === undefined) {
      this.onBrokenBlock(streamId);
      this.connectionError(errorCode.compressionError, 'header block cannot be decoded');
      return;
    }
    this.guard.relieve();
    const stream = this.streams.get(streamId);
    if (stream !== undefined) this.meterHeaders(stream, block);
    if (selfDependent) {
      if (stream === undefined) this.forbidden(errorCode.protocolError, 'stream depends on itself');
      else stream.fail('protocol-error', 'stream depends on itself', errorCode.protocolError);
      return;
    }
    if (stream === undefined && !this.isIdle(streamId)) {
      const ended = this.#closedStreams.find(streamId);
      if (ended === 'unknown') this.#violation('HEADERS on a stream that was never open');
      else if (ended === 'otherwise') this.connectionError(errorCode.streamClosed, 'HEADERS on a closed stream');
      return;
    }
    if (stream?.remoteClosed === true) {
      stream.fail('protocol-error', 'HEADERS after the end of the stream', errorCode.streamClosed);
      return;
    }
    this.onHeaders(streamId, block, (flags & flag.endStream) !== 0);
  }
  /** `block` is the one that has just been read. */
  protected meterHeaders(stream: Http2Stream, block: HeaderBlock<Parsed>): void {
    const { wireBytes } = this.#headers;
    stream.wireBytesReceived += wireBytes;
    stream.headerBytesReceived += wireBytes;
    stream.decompressedHeaderBytesReceived += block.listBytes;
  }
  /** A second block on a stream: trailers. */
  protected receiveTrailers(stream: Stream, { fields, tooLarge }: HeaderBlock<Parsed>, endStream: boolean): void {
    const trailers = trailersFromFields(fields);
    if (tooLarge) stream.fail('protocol-error', 'trailers too large', errorCode.enhanceYourCalm);
    else if (!endStream) stream.fail('protocol-error', 'trailers without END_STREAM', errorCode.protocolError);
    else if (typeof trailers === 'string') this.onInvalidMessage(stream, trailers);
    else if (stream.expectedBytes > 0) stream.fail('protocol-error', 'body differs from its content-length', errorCode.protocolError);
    else if (trailers.length === 0) stream.receiveData(noBytes, 0, true);
    else stream.receiveTrailers(trailers);
  }
  protected onInvalidMessage(stream: Stream, detail: string): void {
    stream.fail('protocol-error', detail, errorCode.protocolError);
  }
  #onSettings(flags: number, streamId: number, payload: Buffer): void {
    if (streamId !== 0) {
      this.#violation('SETTINGS on a stream');
      return;
    }
    if ((flags & flag.ack) !== 0) {
      if (payload.length > 0) this.#badSize('SETTINGS');
      return;
    }
    if (payload.length % 6 !== 0) {
      this.#badSize('SETTINGS');
      return;
    }
    this.#countControl('SETTINGS');
    // Before anything that the new values let out.
    this.out.frame(frameType.settings, flag.ack, 0, noBytes);
    this.#tellWindow();
    for (let at = 0; at < payload.length && !this.isClosed; at += 6)
      this.#applySetting(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    if (this.isClosed) return;
    let maxStreamsGiven = false;
    for (let at = 0; at < payload.length; at += 6) maxStreamsGiven ||= payload.readUInt16BE(at) === setting.maxConcurrentStreams;
    this.onSettingsApplied(maxStreamsGiven);
    this.onStreamsChanged();
  }
  #applySetting(id: number, value: number): void {
    switch (id) {
      case setting.headerTableSize:
        this.encoder.setTableLimit(Math.min(value, this.limits.headerTableBytes));
        return;
      case setting.enablePush:
        if (value > 1) this.forbidden(errorCode.protocolError, 'ENABLE_PUSH neither 0 nor 1');
        return;
      case setting.maxConcurrentStreams:
        this.peerMaxStreams = value;
        return;
      case setting.initialWindowSize: {
        if (value > maxWindowBytes) {
          this.forbidden(errorCode.flowControlError, 'initial window too large');
          return;
        }
        const change = value - this.peerInitialWindow;
        this.peerInitialWindow = value;
        for (const stream of this.streams.all()) {
          stream.sendWindow += change;
          if (stream.sendWindow > maxWindowBytes) {
            this.connectionError(errorCode.flowControlError, 'stream window too large');
            return;
          }
          if (change > 0) stream.pump();
        }
        return;
      }
      case setting.maxFrameSize:
        if (value < defaultMaxFrameBytes || value >= 2 ** 24) this.forbidden(errorCode.protocolError, 'MAX_FRAME_SIZE out of range');
        return;
      case setting.enableConnectProtocol:
        if (value > 1) this.forbidden(errorCode.protocolError, 'ENABLE_CONNECT_PROTOCOL neither 0 nor 1');
        else this.peerExtendedConnect = value === 1;
    }
  }
  #onWindowUpdate(streamId: number, payload: Buffer): void {
    if (payload.length !== 4) {
      this.#badSize('WINDOW_UPDATE');
      return;
    }
    const increment = payload.readUInt32BE(0) & maxStreamId;
    if (streamId === 0) {
      if (increment === 0) {
        this.forbidden(errorCode.protocolError, 'WINDOW_UPDATE of 0');
        return;
      }
      if (!this.#windows.open(increment)) {
        this.connectionError(errorCode.flowControlError, 'connection window too large');
        return;
      }
      this.#pumpWaiting();
      return;
    }
    if (this.isIdle(streamId)) {
      this.#violation('WINDOW_UPDATE on an idle stream');
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      this.#countControl('WINDOW_UPDATE');
      return;
    }
    if (increment === 0) {
      stream.fail('protocol-error', 'WINDOW_UPDATE of 0', errorCode.protocolError);
      return;
    }
    stream.sendWindow += increment;
    if (stream.sendWindow > maxWindowBytes) {
      stream.fail('protocol-error', 'stream window too large', errorCode.flowControlError);
      return;
    }
    stream.pump();
  }
  #onReset(streamId: number, payload: Buffer): void {
    if (payload.length !== 4) {
      this.#badSize('RST_STREAM');
      return;
    }
    if (streamId === 0 || this.isIdle(streamId)) {
      this.forbidden(errorCode.protocolError, 'RST_STREAM on an idle stream');
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      this.#countControl('RST_STREAM');
      return;
    }
    stream.wireBytesReceived += frameHeaderBytes + 4;
    this.onPeerReset(stream, payload.readUInt32BE(0));
  }
  #onPing(flags: number, streamId: number, payload: Buffer): void {
    if (streamId !== 0) {
      this.#violation('PING on a stream');
      return;
    }
    if (payload.length !== 8) {
      this.#badSize('PING');
      return;
    }
    if ((flags & flag.ack) !== 0) {
      if (payload.toString('latin1') === keepalivePing) this.#keepalive?.answered();
      return;
    }
    this.#countControl('PING');
    if (!this.isClosed) this.out.frame(frameType.ping, flag.ack, 0, payload);
  }
  /** Padding at the end of the payload; -1 when it is longer than that, which is an error of the connection. */
  #padding(flags: number, bytes: Buffer, from: number, to: number): number {
    if ((flags & flag.padded) === 0) return 0;
    const padding = from < to ? (bytes[from] as number) : to;
    if (padding < to - from) return padding;
    this.#violation('padding longer than its frame');
    return -1;
  }
  #violation(detail: string): void {
    this.connectionError(errorCode.protocolError, detail);
  }
  #badSize(name: string): void {
    this.connectionError(errorCode.frameSizeError, `${name} frame of wrong size`);
  }
  #countControl(name: string): void {
    if (this.guard.hit()) this.connectionError(errorCode.enhanceYourCalm, `too many ${name} frames`);
  }
  #countedReset(streamId: number, code: number): void {
    this.#countControl('late');
    this.writeReset(streamId, code);
  }

  // Writing.

  /** Starts HEADERS: fields follow by `encoder.field`. Returns what `endHeaders` wants. */
  protected beginHeaders(): number {
    const start = this.out.beginFrame();
    this.encoder.begin();
    return start;
  }
  protected endHeaders(start: number, stream: Http2Stream, endStream: boolean): void {
    const endFlag = endStream ? flag.endStream : 0;
    const { out, maxFrameBytes } = this;
    const streamId = stream.id;
    const payloadBytes = out.at - start - frameHeaderBytes;
    const wireBytes = payloadBytes + frameHeaderBytes * Math.max(1, Math.ceil(payloadBytes / maxFrameBytes));
    stream.wireBytesSent += wireBytes;
    stream.headerBytesSent += wireBytes;
    stream.decompressedHeaderBytesSent += this.encoder.listBytes;
    if (payloadBytes <= maxFrameBytes) {
      out.endFrame(start, frameType.headers, flag.endHeaders | endFlag, streamId);
      return;
    }
    const block = Buffer.from(this.encoder.finish());
    out.at = start;
    for (let at = 0; at < block.length; at += maxFrameBytes) {
      const last = at + maxFrameBytes >= block.length ? flag.endHeaders : 0;
      const piece = block.subarray(at, at + maxFrameBytes);
      out.frame(at === 0 ? frameType.headers : frameType.continuation, last | (at === 0 ? endFlag : 0), streamId, piece);
    }
  }
  abstract writeTrailers(stream: Http2Stream, trailers: HeaderList): void;
  writeData(id: number, data: Buffer, endStream: boolean): void {
    this.#windows.sent(data.length);
    this.out.frame(frameType.data, endStream ? flag.endStream : 0, id, data);
  }
  writeReset(id: number, code: number): void {
    this.#closedStreams.note(id, true);
    this.out.textFrame(frameType.rstStream, 0, id, uint32(code));
  }
  #writeWindowUpdate(id: number, bytes: number): void {
    this.out.textFrame(frameType.windowUpdate, 0, id, uint32(bytes));
  }
  protected writeGoaway(lastStreamId: number, code: number, detail: string): void {
    this.out.textFrame(frameType.goaway, 0, 0, uint32(lastStreamId) + uint32(code) + detail.slice(0, 128));
  }
  credit(stream: Http2Stream | undefined, bytes: number): void {
    if (this.isClosed || bytes === 0) return;
    const update = this.#windows.credit(bytes);
    if (update > 0) this.#writeWindowUpdate(0, update);
    if (stream === undefined) return;
    stream.uncredited += bytes;
    if (stream.uncredited * 2 < this.limits.initialStreamWindowBytes) return;
    stream.wireBytesSent += frameHeaderBytes + 4;
    this.#writeWindowUpdate(stream.id, stream.uncredited);
    stream.receiveWindow += stream.uncredited;
    stream.uncredited = 0;
  }
  awaitCapacity(stream: Http2Stream): void {
    if (stream.waiting) return;
    stream.waiting = true;
    this.#waiting.push(stream);
  }
  /** One frame for each waiting stream in turn, so that none starves the others. */
  #pumpWaiting(): void {
    while (this.#waiting.length > 0 && this.sendAllowance > 0 && !this.isClosed) {
      const turn = this.#waiting;
      this.#waiting = [];
      for (let i = 0; i < turn.length; i++) {
        const stream = turn[i] as Http2Stream;
        if (this.sendAllowance <= 0) {
          // Those that had no turn are first in the next.
          this.#waiting = [...turn.slice(i), ...this.#waiting];
          return;
        }
        stream.waiting = false;
        if (!stream.dead) stream.pump(1);
      }
    }
  }
  remove(stream: Http2Stream): void {
    if (!this.streams.delete(stream.id)) return;
    this.#closedStreams.note(stream.id, false);
    this.finishIfDrained();
    this.onStreamsChanged();
  }
}
