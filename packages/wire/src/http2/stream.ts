import { ByteMeter } from '../byte-meter.ts';
import type { HeaderList, HttpVersion, ResetReason, StreamReceiver } from '../http.ts';
import { defaultMaxFrameBytes, errorCode, frameHeaderBytes } from './constants.ts';
import { SendQueue } from './send-queue.ts';

/** What a stream asks of its connection. */
export interface StreamCarrier {
  /** Bytes the connection's window and the socket take now. */
  readonly sendAllowance: number;
  readonly maxFrameBytes: number;
  readonly maxSendBufferBytes: number;
  writeData(id: number, data: Buffer, endStream: boolean): void;
  writeTrailers(stream: Http2Stream, trailers: HeaderList): void;
  writeReset(id: number, code: number): void;
  /** The stream has bytes that wait for the connection's window or socket. */
  awaitCapacity(stream: Http2Stream): void;
  /** `bytes` have been used: the peer may send more. */
  credit(stream: Http2Stream | undefined, bytes: number): void;
  remove(stream: Http2Stream): void;
}

type Received = { data: Buffer; flowBytes: number; end: boolean } | { trailers: HeaderList };

/** One stream: what both roles share. Heads are the subclass's. */
export abstract class Http2Stream extends ByteMeter {
  /** 0 until a client's stream is begun. */
  id: number;
  readonly version: HttpVersion = 'HTTP/2';
  protected readonly carrier: StreamCarrier;
  sendWindow: number;
  /** Bytes the peer may still send, and bytes used but not yet credited. */
  receiveWindow: number;
  uncredited = 0;
  localClosed = false;
  remoteClosed = false;
  dead = false;
  /** Body bytes still to come by content-length; -1 without. */
  expectedBytes = -1;
  headSent = false;
  /** It stands among the connection's streams that wait for capacity. */
  waiting = false;
  #paused = false;
  #sending: SendQueue | undefined = undefined;
  #received: Received[] | undefined = undefined;

  constructor(carrier: StreamCarrier, id: number, sendWindow: number, receiveWindow: number) {
    super();
    this.carrier = carrier;
    this.id = id;
    this.sendWindow = sendWindow;
    this.receiveWindow = receiveWindow;
  }
  protected abstract get owner(): StreamReceiver | undefined;
  /** How a local end without the peer's end is told to it. */
  protected abstract get resetCode(): number;

  /** The message has an end, and part of it waits for the peer's windows. */
  get unsent(): boolean {
    return this.#sending !== undefined && !this.dead;
  }
  get #sendsNoMore(): boolean {
    return this.dead || this.localClosed || !this.headSent || this.#sending?.ends === true;
  }
  sendData(data: Buffer, endStream: boolean): boolean {
    if (this.#sendsNoMore) return true;
    const { carrier } = this;
    const { length } = data;
    if (this.#sending === undefined) {
      if (length <= this.sendWindow && length <= carrier.sendAllowance && length <= carrier.maxFrameBytes) {
        if (length > 0 || endStream) this.#write(data, endStream);
        return true;
      }
      this.#sending = new SendQueue();
    }
    const sending = this.#sending;
    sending.push(data);
    if (endStream) sending.end(undefined);
    this.pump();
    // What waits outlives the caller's buffer.
    sending.own();
    if (sending.bytes > carrier.maxSendBufferBytes) {
      this.fail('overflow', 'more bytes wait for a slow peer than may be kept', errorCode.enhanceYourCalm);
      return true;
    }
    sending.wantsDrain = !this.dead && sending.bytes > 0;
    return !sending.wantsDrain;
  }
  sendTrailers(trailers: HeaderList): void {
    if (this.#sendsNoMore) return;
    if (this.#sending === undefined) this.#writeTrailers(trailers);
    else this.#sending.end(trailers);
  }
  /** Sends of the queue what the windows allow. */
  pump(maxFrames = Number.POSITIVE_INFINITY): void {
    const sending = this.#sending;
    if (sending === undefined) return;
    for (let frames = 0; sending.bytes > 0 && frames < maxFrames && !this.dead; frames++) {
      const room = Math.min(this.sendWindow, this.carrier.sendAllowance, this.carrier.maxFrameBytes);
      if (room <= 0) break;
      const piece = sending.take(room);
      this.#write(piece, sending.bytes === 0 && sending.ends && sending.trailers === undefined);
    }
    if (this.dead && !this.localClosed) return;
    if (sending.bytes > 0) {
      if (this.sendWindow > 0) this.carrier.awaitCapacity(this);
      return;
    }
    this.#sending = undefined;
    if (!this.localClosed) {
      if (sending.trailers !== undefined) this.#writeTrailers(sending.trailers);
      else if (sending.ends) this.#write(noBytes, true);
    }
    if (sending.wantsDrain || sending.ends) this.owner?.onDrain();
  }
  #write(data: Buffer, end: boolean): void {
    this.sendWindow -= data.length;
    this.wireBytesSent += frameHeaderBytes + data.length;
    this.carrier.writeData(this.id, data, end);
    if (end) this.closeLocal();
  }
  #writeTrailers(trailers: HeaderList): void {
    this.carrier.writeTrailers(this, trailers);
    this.closeLocal();
  }
  closeLocal(): void {
    this.localClosed = true;
    this.settle();
  }
  /** Both sides have ended, or the server's response has and nothing of the request is wanted any more. */
  protected settle(): void {
    if (this.localClosed && this.remoteClosed && this.#received === undefined) this.retire();
  }
  protected retire(): void {
    if (this.dead) return;
    this.dead = true;
    if (this.#received !== undefined) {
      for (const item of this.#received) if ('data' in item) this.carrier.credit(undefined, item.flowBytes);
      this.#received = undefined;
    }
    this.#sending = undefined;
    this.carrier.remove(this);
  }
  /** DATA from the peer; `flowBytes` counts padding too. */
  receiveData(data: Buffer, flowBytes: number, end: boolean): void {
    if (end) this.remoteClosed = true;
    if (this.#paused || this.#received !== undefined) {
      this.#keep(data, flowBytes, end);
      return;
    }
    this.#deliver(data, flowBytes, end);
    if (end) this.settle();
  }
  receiveTrailers(trailers: HeaderList): void {
    this.remoteClosed = true;
    if (this.#paused || this.#received !== undefined) {
      this.#received ??= [];
      this.#received.push({ trailers });
      return;
    }
    this.owner?.onTrailers(trailers);
    this.settle();
  }
  #keep(data: Buffer, flowBytes: number, end: boolean): void {
    this.#received ??= [];
    const last = this.#received.at(-1);
    // A peer that sends tiny frames to a paused stream must not cost an object each.
    if (last !== undefined && 'data' in last && last.data.length + data.length <= defaultMaxFrameBytes && !last.end) {
      last.data = Buffer.concat([last.data, data]);
      last.flowBytes += flowBytes;
      last.end = end;
    } else this.#received.push({ data: Buffer.from(data), flowBytes, end });
  }
  #deliver(data: Buffer, flowBytes: number, end: boolean): void {
    if (data.length > 0 || end) this.owner?.onData(data, end);
    this.carrier.credit(this.dead || this.remoteClosed ? undefined : this, flowBytes);
  }
  pause(): void {
    this.#paused = true;
  }
  resume(): void {
    this.#paused = false;
    const received = this.#received;
    if (received === undefined) return;
    while (!this.#paused && !this.dead) {
      const item = received.shift();
      if (item === undefined) break;
      if ('trailers' in item) this.owner?.onTrailers(item.trailers);
      else this.#deliver(item.data, item.flowBytes, item.end);
    }
    if (received.length === 0) this.#received = undefined;
    if (!this.dead) this.settle();
  }
  #writeReset(code: number): void {
    this.wireBytesSent += frameHeaderBytes + 4;
    this.carrier.writeReset(this.id, code);
  }
  reset(reason: ResetReason): void {
    if (this.dead) return;
    this.#writeReset(codeOf(reason, this.resetCode));
    this.retire();
  }
  /** Ends the stream for its owner; `code` is also told to the peer. */
  fail(reason: ResetReason, detail: string, code?: number): void {
    if (this.dead) return;
    if (code !== undefined) this.#writeReset(code);
    this.retire();
    this.owner?.onReset(reason, detail);
  }
}

const noBytes = Buffer.alloc(0);

function codeOf(reason: ResetReason, otherwise: number): number {
  if (reason === 'refused-stream') return errorCode.refusedStream;
  if (reason === 'protocol-error') return errorCode.protocolError;
  if (reason === 'overflow') return errorCode.enhanceYourCalm;
  return otherwise;
}
