import { HpackDecoder } from '../hpack/decoder.ts';
import { HpackEncoder } from '../hpack/encoder.ts';
import type { CodecOutput, HeaderList } from '../http.ts';
import { InputWindow } from '../http1/input-window.ts';
import { OutputBuffer } from '../output-buffer.ts';
import {
  defaultMaxFrameBytes,
  defaultWindowBytes,
  errorCode,
  flag,
  frameHeader,
  frameHeaderBytes,
  frameType,
  maxStreamId,
  maxWindowBytes,
  setting,
  settingEntry,
  uint32,
} from './constants.ts';
import { FloodGuard } from './flood-guard.ts';
import { trailersFromFields } from './header-block.ts';
import type { Http2Limits } from './options.ts';
import type { Http2Stream, StreamCarrier } from './stream.ts';

const controlFramesLimit = 2000;
const continuationLimit = 32;
const recentlyClosedLimit = 256;

/** Frames, settings, windows and shutdown of one connection (RFC 9113): what both roles share. */
export abstract class Http2Connection implements StreamCarrier {
  protected readonly limits: Http2Limits;
  protected readonly out: OutputBuffer;
  protected readonly encoder = new HpackEncoder();
  protected readonly streams = new Map<number, Http2Stream>();
  protected readonly guard: FloodGuard;
  readonly #decoder = new HpackDecoder();
  readonly #input = new InputWindow();
  readonly #waiting = new Set<Http2Stream>();
  /** Ended streams, true when this side reset them: frames that cross the reset are ignored. */
  readonly #recentlyClosed = new Map<number, boolean>();
  #headers: { streamId: number; flags: number; pieces: Buffer[]; bytes: number; selfDependent: boolean } | undefined;
  #processing = false;
  #settingsSeen = false;
  #sendWindow = defaultWindowBytes;
  #receiveWindow: number;
  #uncredited = 0;
  protected peerInitialWindow = defaultWindowBytes;
  protected peerMaxStreams = Number.POSITIVE_INFINITY;
  protected peerExtendedConnect = false;
  maxFrameBytes = defaultMaxFrameBytes;
  protected lastPeerStream = 0;
  protected draining = false;
  protected isClosed = false;

  constructor(output: CodecOutput, limits: Http2Limits) {
    this.limits = limits;
    this.out = new OutputBuffer(output);
    this.guard = new FloodGuard(controlFramesLimit, limits.now);
    this.#receiveWindow = limits.initialConnectionWindowBytes;
  }
  protected abstract onHeaders(streamId: number, fields: HeaderList, tooLarge: boolean, endStream: boolean): void;
  protected abstract isIdle(streamId: number): boolean;
  protected abstract onPeerReset(stream: Http2Stream, code: number): void;
  protected abstract onGoaway(lastStreamId: number): void;
  protected abstract onPingAck(): void;
  protected abstract onConnectionError(detail: string): void;
  protected abstract onStreamsChanged(): void;
  protected onSettingsApplied(_maxStreamsGiven: boolean): void {}

  get activeStreams(): number {
    return this.streams.size;
  }
  get sendAllowance(): number {
    return this.out.congested ? 0 : this.#sendWindow;
  }
  protected sendSettings(entries: string): void {
    const all =
      settingEntry(setting.initialWindowSize, this.limits.initialStreamWindowBytes) +
      settingEntry(setting.maxHeaderListSize, this.limits.maxHeadersBytes) +
      entries;
    this.out.push(frameHeader(all.length, frameType.settings, 0, 0) + all);
    const more = this.limits.initialConnectionWindowBytes - defaultWindowBytes;
    if (more > 0) this.writeWindowUpdate(0, more);
  }
  receive(bytes: Buffer): void {
    if (this.isClosed || bytes.length === 0) return;
    this.#input.append(bytes);
    if (this.#processing) return;
    this.#processing = true;
    this.out.hold();
    try {
      if (this.readPreface(this.#input)) this.#readFrames();
      if (this.isClosed) this.#input.clear();
    } finally {
      this.#processing = false;
      this.out.release();
    }
  }
  /** Takes what stands before the first frame; false while it is incomplete or wrong. */
  protected readPreface(_input: InputWindow): boolean {
    return true;
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
    for (const stream of [...this.streams.values()]) stream.fail('connection-termination', detail);
    this.onStreamsChanged();
  }
  onSocketDrain(): void {
    this.out.drained();
    this.#pumpWaiting();
  }
  connectionError(code: number, detail: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.writeGoaway(this.lastPeerStream, code, detail);
    this.out.end();
    for (const stream of [...this.streams.values()]) stream.fail('protocol-error', detail);
    this.onConnectionError(detail);
    this.onStreamsChanged();
  }
  protected finishIfDrained(): void {
    if (!this.draining || this.isClosed || this.streams.size > 0) return;
    this.isClosed = true;
    this.out.end();
    this.onStreamsChanged();
  }

  // Reading.

  #readFrames(): void {
    const input = this.#input;
    while (!this.isClosed && input.size >= frameHeaderBytes) {
      const { bytes, at } = input;
      const length = bytes.readUIntBE(at, 3);
      if (length > defaultMaxFrameBytes) {
        this.connectionError(errorCode.frameSizeError, `frame of ${length} bytes`);
        return;
      }
      if (input.size < frameHeaderBytes + length) return;
      const from = at + frameHeaderBytes;
      input.at = from + length;
      this.#frame(
        bytes[at + 3] as number,
        bytes[at + 4] as number,
        bytes.readUInt32BE(at + 5) & maxStreamId,
        bytes.subarray(from, from + length),
      );
    }
  }
  #frame(type: number, flags: number, streamId: number, payload: Buffer): void {
    if (!this.#settingsSeen) {
      if (type !== frameType.settings || (flags & flag.ack) !== 0) {
        this.#violation('the first frame is not SETTINGS');
        return;
      }
      this.#settingsSeen = true;
    }
    if (this.#headers !== undefined && type !== frameType.continuation) {
      this.#violation('frame inside a header block');
      return;
    }
    switch (type) {
      case frameType.data:
        this.#onData(flags, streamId, payload);
        return;
      case frameType.headers:
        this.#onHeadersFrame(flags, streamId, payload);
        return;
      case frameType.continuation:
        this.#onContinuation(flags, streamId, payload);
        return;
      case frameType.settings:
        this.#onSettings(flags, streamId, payload);
        return;
      case frameType.windowUpdate:
        this.#onWindowUpdate(streamId, payload);
        return;
      case frameType.rstStream:
        this.#onReset(streamId, payload);
        return;
      case frameType.ping:
        this.#onPing(flags, streamId, payload);
        return;
      case frameType.goaway:
        if (streamId !== 0) {
          this.#violation('GOAWAY on a stream');
          return;
        }
        if (payload.length < 8) {
          this.#badSize('GOAWAY');
          return;
        }
        this.onGoaway(payload.readUInt32BE(0) & maxStreamId);
        return;
      case frameType.priority:
        if (streamId === 0) {
          this.#violation('PRIORITY on stream 0');
          return;
        }
        if (payload.length !== 5) {
          this.#badSize('PRIORITY');
          return;
        }
        if ((payload.readUInt32BE(0) & maxStreamId) === streamId) {
          this.#violation('stream depends on itself');
          return;
        }
        this.#countControl('PRIORITY');
        return;
      case frameType.pushPromise:
        this.#violation('PUSH_PROMISE although push is off');
        return;
      default:
        this.#countControl('unknown');
        return;
    }
  }
  #onData(flags: number, streamId: number, payload: Buffer): void {
    if (streamId === 0 || this.isIdle(streamId)) {
      this.#violation('DATA on an idle stream');
      return;
    }
    const data = this.#unpadded(flags, payload);
    if (data === undefined) return;
    const end = (flags & flag.endStream) !== 0;
    if (data.length === 0 && !end) this.#countControl('empty DATA');
    else this.guard.relieve();
    this.#receiveWindow -= payload.length;
    if (this.#receiveWindow < 0) {
      this.connectionError(errorCode.flowControlError, 'more DATA than the connection window');
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined || stream.remoteClosed) {
      this.credit(undefined, payload.length);
      if (stream !== undefined) stream.fail('protocol-error', 'DATA after the end of the stream', errorCode.streamClosed);
      else if (this.#recentlyClosed.get(streamId) !== true) this.#countedReset(streamId, errorCode.streamClosed);
      return;
    }
    stream.receiveWindow -= payload.length;
    if (stream.receiveWindow < 0) {
      this.credit(undefined, payload.length);
      stream.fail('protocol-error', 'more DATA than the stream window', errorCode.flowControlError);
      return;
    }
    if (stream.expectedBytes >= 0) {
      stream.expectedBytes -= data.length;
      if (stream.expectedBytes < 0 || (end && stream.expectedBytes !== 0)) {
        this.credit(undefined, payload.length);
        stream.fail('protocol-error', 'body differs from its content-length', errorCode.protocolError);
        return;
      }
    }
    stream.receiveData(data, payload.length, end);
  }
  #onHeadersFrame(flags: number, streamId: number, payload: Buffer): void {
    if (streamId === 0) {
      this.#violation('HEADERS on stream 0');
      return;
    }
    let block = this.#unpadded(flags, payload);
    if (block === undefined) return;
    let selfDependent = false;
    if ((flags & flag.priority) !== 0) {
      if (block.length < 5) {
        this.#badSize('HEADERS');
        return;
      }
      selfDependent = (block.readUInt32BE(0) & maxStreamId) === streamId;
      block = block.subarray(5);
    }
    this.#headers = { streamId, flags, pieces: [block], bytes: block.length, selfDependent };
    if ((flags & flag.endHeaders) !== 0) this.#endHeaders();
  }
  #onContinuation(flags: number, streamId: number, payload: Buffer): void {
    const headers = this.#headers;
    if (headers === undefined || headers.streamId !== streamId) {
      this.#violation('CONTINUATION without HEADERS');
      return;
    }
    headers.pieces.push(payload);
    headers.bytes += payload.length;
    // A block cannot be much larger than the list it stands for; small frames without end cost more than they carry.
    if (headers.pieces.length > continuationLimit || headers.bytes > 2 * this.limits.maxHeadersBytes + defaultMaxFrameBytes) {
      this.connectionError(errorCode.enhanceYourCalm, 'header block too large');
      return;
    }
    if ((flags & flag.endHeaders) !== 0) this.#endHeaders();
  }
  #endHeaders(): void {
    const headers = this.#headers;
    if (headers === undefined) return;
    this.#headers = undefined;
    const block = headers.pieces.length === 1 ? (headers.pieces[0] as Buffer) : Buffer.concat(headers.pieces);
    const decoded = this.#decoder.decode(block, this.limits.maxHeadersBytes, this.limits.maxHeadersCount);
    if (decoded === undefined) {
      this.connectionError(errorCode.compressionError, 'header block cannot be decoded');
      return;
    }
    this.guard.relieve();
    const { streamId } = headers;
    const endStream = (headers.flags & flag.endStream) !== 0;
    const stream = this.streams.get(streamId);
    if (headers.selfDependent) {
      if (stream === undefined) {
        this.#violation('stream depends on itself');
        return;
      }
      stream.fail('protocol-error', 'stream depends on itself', errorCode.protocolError);
      return;
    }
    if (stream === undefined && !this.isIdle(streamId)) {
      const byUs = this.#recentlyClosed.get(streamId);
      if (byUs === undefined) {
        this.#violation('HEADERS on a stream that was never open');
        return;
      }
      if (!byUs) this.connectionError(errorCode.streamClosed, 'HEADERS on a closed stream');
      return;
    }
    if (stream?.remoteClosed === true) {
      stream.fail('protocol-error', 'HEADERS after the end of the stream', errorCode.streamClosed);
      return;
    }
    this.onHeaders(streamId, decoded.fields, decoded.tooLarge, endStream);
  }
  /** A second block on a stream: trailers. */
  protected receiveTrailers(stream: Http2Stream, fields: HeaderList, tooLarge: boolean, endStream: boolean): void {
    const trailers = trailersFromFields(fields);
    if (tooLarge) stream.fail('protocol-error', 'trailers too large', errorCode.enhanceYourCalm);
    else if (!endStream) stream.fail('protocol-error', 'trailers without END_STREAM', errorCode.protocolError);
    else if (typeof trailers === 'string') stream.fail('protocol-error', trailers, errorCode.protocolError);
    else if (stream.expectedBytes > 0) stream.fail('protocol-error', 'body differs from its content-length', errorCode.protocolError);
    else if (trailers.length === 0) stream.receiveData(Buffer.alloc(0), 0, true);
    else stream.receiveTrailers(trailers);
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
    this.out.push(frameHeader(0, frameType.settings, flag.ack, 0));
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
        this.encoder.setTableLimit(value);
        return;
      case setting.enablePush:
        if (value > 1) this.#violation('ENABLE_PUSH neither 0 nor 1');
        return;
      case setting.maxConcurrentStreams:
        this.peerMaxStreams = value;
        return;
      case setting.initialWindowSize: {
        if (value > maxWindowBytes) {
          this.connectionError(errorCode.flowControlError, 'initial window too large');
          return;
        }
        const change = value - this.peerInitialWindow;
        this.peerInitialWindow = value;
        for (const stream of [...this.streams.values()]) {
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
        if (value < defaultMaxFrameBytes || value >= 2 ** 24) this.#violation('MAX_FRAME_SIZE out of range');
        return;
      case setting.enableConnectProtocol:
        if (value > 1) this.#violation('ENABLE_CONNECT_PROTOCOL neither 0 nor 1');
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
        this.#violation('WINDOW_UPDATE of 0');
        return;
      }
      this.#sendWindow += increment;
      if (this.#sendWindow > maxWindowBytes) {
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
      this.#violation('RST_STREAM on an idle stream');
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      this.#countControl('RST_STREAM');
      return;
    }
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
      this.onPingAck();
      return;
    }
    this.#countControl('PING');
    if (!this.isClosed) this.out.push(frameHeader(8, frameType.ping, flag.ack, 0) + payload.toString('latin1'));
  }
  #unpadded(flags: number, payload: Buffer): Buffer | undefined {
    if ((flags & flag.padded) === 0) return payload;
    const padding = payload[0];
    if (padding === undefined || padding >= payload.length) {
      this.#violation('padding longer than its frame');
      return undefined;
    }
    return payload.subarray(1, payload.length - padding);
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

  protected writeHeaders(streamId: number, endStream: boolean): void {
    const block = this.encoder.finish();
    let type: number = frameType.headers;
    let flags: number = endStream ? flag.endStream : 0;
    for (let at = 0; ; at += this.maxFrameBytes) {
      const piece = block.subarray(at, at + this.maxFrameBytes);
      const last = at + piece.length === block.length;
      // The encoder's buffer is used again: text is a copy.
      this.out.push(frameHeader(piece.length, type, flags | (last ? flag.endHeaders : 0), streamId) + piece.toString('latin1'));
      if (last) return;
      type = frameType.continuation;
      flags = 0;
    }
  }
  abstract writeTrailers(id: number, trailers: HeaderList): void;
  writeData(id: number, data: Buffer, endStream: boolean): void {
    this.#sendWindow -= data.length;
    this.out.push(frameHeader(data.length, frameType.data, endStream ? flag.endStream : 0, id));
    this.out.push(data);
  }
  writeReset(id: number, code: number): void {
    this.noteClosed(id, true);
    this.out.push(frameHeader(4, frameType.rstStream, 0, id) + uint32(code));
  }
  protected writeWindowUpdate(id: number, bytes: number): void {
    this.out.push(frameHeader(4, frameType.windowUpdate, 0, id) + uint32(bytes));
  }
  protected writeGoaway(lastStreamId: number, code: number, detail: string): void {
    const text = detail.slice(0, 128);
    this.out.push(frameHeader(8 + text.length, frameType.goaway, 0, 0) + uint32(lastStreamId) + uint32(code) + text);
  }
  protected writePing(): void {
    this.out.push(`${frameHeader(8, frameType.ping, 0, 0)}\0\0\0drain`);
  }
  credit(stream: Http2Stream | undefined, bytes: number): void {
    if (this.isClosed) return;
    this.#uncredited += bytes;
    if (this.#uncredited * 2 >= this.limits.initialConnectionWindowBytes) {
      this.writeWindowUpdate(0, this.#uncredited);
      this.#receiveWindow += this.#uncredited;
      this.#uncredited = 0;
    }
    if (stream === undefined) return;
    stream.uncredited += bytes;
    if (stream.uncredited * 2 >= this.limits.initialStreamWindowBytes) {
      this.writeWindowUpdate(stream.id, stream.uncredited);
      stream.receiveWindow += stream.uncredited;
      stream.uncredited = 0;
    }
  }
  awaitCapacity(stream: Http2Stream): void {
    this.#waiting.add(stream);
  }
  /** One frame for each waiting stream in turn, so that none starves the others. */
  #pumpWaiting(): void {
    while (this.#waiting.size > 0 && this.sendAllowance > 0 && !this.isClosed) {
      for (const stream of [...this.#waiting]) {
        if (this.sendAllowance <= 0) return;
        this.#waiting.delete(stream);
        if (!stream.dead) stream.pump(1);
      }
    }
  }
  noteClosed(id: number, byUs: boolean): void {
    if (this.#recentlyClosed.get(id) === true) return;
    this.#recentlyClosed.set(id, byUs);
    if (this.#recentlyClosed.size <= recentlyClosedLimit) return;
    for (const oldest of this.#recentlyClosed.keys()) {
      this.#recentlyClosed.delete(oldest);
      break;
    }
  }
  remove(stream: Http2Stream): void {
    this.#waiting.delete(stream);
    if (!this.streams.delete(stream.id)) return;
    this.noteClosed(stream.id, false);
    this.finishIfDrained();
    this.onStreamsChanged();
  }
}
