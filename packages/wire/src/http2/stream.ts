import type { HeaderList, HttpVersion, ResetReason, StreamReceiver } from '../http.ts';
import { defaultMaxFrameBytes, errorCode } from './constants.ts';

/** What a stream asks of its connection. */
export interface StreamCarrier {
  /** Bytes the connection's window and the socket take now. */
  readonly sendAllowance: number;
  readonly maxFrameBytes: number;
  writeData(id: number, data: Buffer, endStream: boolean): void;
  writeTrailers(id: number, trailers: HeaderList): void;
  writeReset(id: number, code: number): void;
  /** The stream has bytes that wait for the connection's window or socket. */
  awaitCapacity(stream: Http2Stream): void;
  /** `bytes` have been used: the peer may send more. */
  credit(stream: Http2Stream | undefined, bytes: number): void;
  remove(stream: Http2Stream): void;
}

type Received = { data: Buffer; flowBytes: number; end: boolean } | { trailers: HeaderList };

/** One stream: what both roles share. Heads are the subclass's. */
export abstract class Http2Stream {
  readonly id: number;
  readonly version: HttpVersion = 'HTTP/2';
  protected readonly carrier: StreamCarrier;
  readonly #maxSendBufferBytes: number;
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
  #paused = false;
  #sendQueue: Buffer[] = [];
  #queuedBytes = 0;
  #queuedEnd = false;
  #queuedTrailers: HeaderList | undefined;
  #wantsDrain = false;
  #received: Received[] = [];

  constructor(carrier: StreamCarrier, id: number, sendWindow: number, receiveWindow: number, maxSendBufferBytes: number) {
    this.carrier = carrier;
    this.id = id;
    this.sendWindow = sendWindow;
    this.receiveWindow = receiveWindow;
    this.#maxSendBufferBytes = maxSendBufferBytes;
  }
  protected abstract get owner(): StreamReceiver | undefined;
  /** How a local end without the peer's end is told to it. */
  protected abstract readonly resetCode: number;

  sendData(data: Buffer, endStream: boolean): boolean {
    if (this.dead || this.localClosed || this.#queuedEnd || !this.headSent) return true;
    this.#queuedEnd = endStream;
    if (this.#queuedBytes === 0 && data.length <= Math.min(this.sendWindow, this.carrier.sendAllowance, this.carrier.maxFrameBytes)) {
      if (data.length > 0 || endStream) this.#write(data, endStream);
      return true;
    }
    if (data.length > 0) this.#sendQueue.push(data);
    this.#queuedBytes += data.length;
    this.pump();
    // What waits outlives the caller's buffer; what waited before is a copy already.
    const last = this.#sendQueue.length - 1;
    if (data.length > 0 && last >= 0) this.#sendQueue[last] = Buffer.from(this.#sendQueue[last] as Buffer);
    if (this.#queuedBytes > this.#maxSendBufferBytes) {
      this.fail('overflow', 'more bytes wait for a slow peer than may be kept', errorCode.enhanceYourCalm);
      return true;
    }
    this.#wantsDrain = !this.dead && this.#queuedBytes > 0;
    return !this.#wantsDrain;
  }
  sendTrailers(trailers: HeaderList): void {
    if (this.dead || this.localClosed || this.#queuedEnd || !this.headSent) return;
    this.#queuedEnd = true;
    this.#queuedTrailers = trailers;
    if (this.#queuedBytes === 0) this.#writeQueuedTrailers();
  }
  /** Sends of the queue what the windows allow. */
  pump(maxFrames = Number.POSITIVE_INFINITY): void {
    for (let frames = 0; this.#queuedBytes > 0 && frames < maxFrames; frames++) {
      const room = Math.min(this.sendWindow, this.carrier.sendAllowance, this.carrier.maxFrameBytes);
      if (room <= 0) break;
      const first = this.#sendQueue[0] as Buffer;
      const piece = first.length <= room ? first : first.subarray(0, room);
      if (piece === first) this.#sendQueue.shift();
      else this.#sendQueue[0] = first.subarray(room);
      this.#queuedBytes -= piece.length;
      this.#write(piece, this.#queuedBytes === 0 && this.#queuedEnd && this.#queuedTrailers === undefined);
    }
    if (this.dead) return;
    if (this.#queuedBytes > 0) {
      if (this.sendWindow > 0) this.carrier.awaitCapacity(this);
      return;
    }
    if (this.#queuedTrailers !== undefined) this.#writeQueuedTrailers();
    else if (this.#wantsDrain) {
      this.#wantsDrain = false;
      this.owner?.onDrain();
    }
  }
  #write(data: Buffer, end: boolean): void {
    this.sendWindow -= data.length;
    this.carrier.writeData(this.id, data, end);
    if (end) this.closeLocal();
  }
  #writeQueuedTrailers(): void {
    const trailers = this.#queuedTrailers;
    if (trailers === undefined || this.localClosed) return;
    this.#queuedTrailers = undefined;
    this.carrier.writeTrailers(this.id, trailers);
    this.closeLocal();
  }
  closeLocal(): void {
    this.localClosed = true;
    this.settle();
  }
  /** Both sides have ended, or the server's response has and nothing of the request is wanted any more. */
  protected settle(): void {
    if (this.localClosed && this.remoteClosed && this.#received.length === 0) this.retire();
  }
  protected retire(): void {
    if (this.dead) return;
    this.dead = true;
    for (const item of this.#received) if ('data' in item) this.carrier.credit(undefined, item.flowBytes);
    this.#received = [];
    this.#sendQueue = [];
    this.#queuedBytes = 0;
    this.carrier.remove(this);
  }
  /** DATA from the peer; `flowBytes` counts padding too. */
  receiveData(data: Buffer, flowBytes: number, end: boolean): void {
    if (end) this.remoteClosed = true;
    if (this.#paused || this.#received.length > 0) {
      const last = this.#received.at(-1);
      // A peer that sends tiny frames to a paused stream must not cost an object each.
      if (last !== undefined && 'data' in last && last.data.length + data.length <= defaultMaxFrameBytes && !last.end) {
        last.data = Buffer.concat([last.data, data]);
        last.flowBytes += flowBytes;
        last.end = end;
      } else this.#received.push({ data, flowBytes, end });
      return;
    }
    this.#deliver(data, flowBytes, end);
    if (end) this.settle();
  }
  receiveTrailers(trailers: HeaderList): void {
    this.remoteClosed = true;
    if (this.#paused || this.#received.length > 0) {
      this.#received.push({ trailers });
      return;
    }
    this.owner?.onTrailers(trailers);
    this.settle();
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
    while (!this.#paused && !this.dead && this.#received.length > 0) {
      const item = this.#received.shift();
      if (item === undefined) return;
      if ('trailers' in item) this.owner?.onTrailers(item.trailers);
      else this.#deliver(item.data, item.flowBytes, item.end);
    }
    if (!this.dead) this.settle();
  }
  reset(reason: ResetReason): void {
    if (this.dead) return;
    this.carrier.writeReset(this.id, codeOf(reason, this.resetCode));
    this.retire();
  }
  /** Ends the stream for its owner; `code` is also told to the peer. */
  fail(reason: ResetReason, detail: string, code?: number): void {
    if (this.dead) return;
    if (code !== undefined) this.carrier.writeReset(this.id, code);
    this.retire();
    this.owner?.onReset(reason, detail);
  }
}

function codeOf(reason: ResetReason, otherwise: number): number {
  if (reason === 'refused-stream') return errorCode.refusedStream;
  if (reason === 'protocol-error') return errorCode.protocolError;
  if (reason === 'overflow') return errorCode.enhanceYourCalm;
  return otherwise;
}
