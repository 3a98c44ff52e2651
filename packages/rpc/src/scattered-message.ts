import { Duplex } from 'node:stream';
import { Metadata, ServerInterceptingCall, type ServerInterceptingCallInterface, type ServerInterceptor, status } from '@grpc/grpc-js';
import { GatheringDecoder } from './gathering-decoder.ts';

/** An encoded message in pieces, each of which many messages may share. Nobody may change their bytes. */
export interface ScatteredMessage {
  readonly parts: readonly Uint8Array[];
  readonly byteLength: number;
}

export function isScattered(value: object): value is ScatteredMessage {
  return 'parts' in value && Array.isArray(value.parts) && 'byteLength' in value;
}

/** Of a gRPC message: one byte that says whether it is compressed, and four of length. */
const HEAD_BYTES = 5;

/**
 * Sends scattered messages as they lie. Without it grpc-js copies every message into a buffer of its own, which for a large response to
 * a thousand streams is most of what they cost, in time and in memory.
 */
export const scatteredMessages: ServerInterceptor = (_method, call) => {
  // grpc-js offers no way to its HTTP/2 stream; where a later version keeps it elsewhere, messages are copied as usual.
  const stream: unknown = Reflect.get(call, 'stream');
  if (!(stream instanceof Duplex)) return new ServerInterceptingCall(call);
  gatherRequests(call);
  return new ScatteringCall(call, stream);
};

/** Lets requests that come in pieces use memory that was given back; grpc-js would take new memory for each. */
function gatherRequests(call: object): void {
  const decoder: unknown = Reflect.get(call, 'decoder');
  if (typeof decoder !== 'object' || decoder === null || !('write' in decoder)) return;
  const maxBytes: unknown = Reflect.get(decoder, 'maxReadMessageLength');
  if (typeof maxBytes === 'number') Reflect.set(call, 'decoder', new GatheringDecoder(maxBytes));
}

class ScatteringCall extends ServerInterceptingCall {
  readonly #stream: Duplex;
  #begun = false;

  constructor(call: ServerInterceptingCallInterface, stream: Duplex) {
    super(call);
    this.#stream = stream;
  }
  override sendMetadata(metadata: Metadata): void {
    this.#begun = true;
    super.sendMetadata(metadata);
  }
  override sendMessage(message: unknown, callback: () => void): void {
    if (typeof message !== 'object' || message === null || !isScattered(message)) {
      super.sendMessage(message, callback);
      return;
    }
    const stream = this.#stream;
    if (stream.destroyed || stream.writableEnded) return;
    if (!this.#begun) this.sendMetadata(new Metadata());
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeUInt32BE(message.byteLength, 1);
    const pieces = message.parts.filter(({ length }) => length > 0);
    // Pieces that wait together leave with one call.
    stream.cork();
    let last: Uint8Array = head;
    for (const piece of pieces) {
      stream.write(last);
      last = piece;
    }
    stream.write(last, (error) => {
      if (error === null || error === undefined) callback();
      else this.sendStatus({ code: status.INTERNAL, details: 'writing a message failed' });
    });
    stream.uncork();
  }
}
