import type { Socket } from 'node:net';
import { type ClientConnection, type HeaderList, header, type RequestHead, type ResetReason, type ResponseHead } from '@xebec/wire';
import { createClientCodec, type HttpProtocol } from '../../http/codecs.ts';
import type { ProbeConnect } from './probe.ts';

export interface ExchangeResponse {
  readonly head: ResponseHead;
  readonly body: Buffer;
  readonly trailers: HeaderList;
}

/** One HTTP connection of a health check, opened on first use and again after it has gone. */
export class ExchangeConnection {
  readonly #connect: ProbeConnect;
  readonly #protocol: HttpProtocol;
  readonly #maxBodyBytes: number;
  #socket: Socket | undefined;
  #codec: ClientConnection | undefined;
  #attempt: { abandon(): void } | undefined;

  constructor(connect: ProbeConnect, protocol: HttpProtocol, maxBodyBytes: number) {
    this.#connect = connect;
    this.#protocol = protocol;
    this.#maxBodyBytes = maxBodyBytes;
  }
  /** Sends one request; undefined when there is no whole response. More than the wanted bytes of a body are read but not kept. */
  send(head: RequestHead, body: Buffer | undefined, done: (response: ExchangeResponse | undefined) => void): void {
    const codec = this.#codec;
    if (codec?.available === true) {
      this.#ask(codec, head, body, done);
      return;
    }
    this.close();
    this.#attempt = this.#connect(this.#protocol === 'http2' ? ['h2'] : ['http/1.1'], {
      connected: (socket) => {
        this.#attempt = undefined;
        this.#ask(this.#adopt(socket), head, body, done);
      },
      failed: () => {
        this.#attempt = undefined;
        done(undefined);
      },
    });
  }
  close(): void {
    this.#attempt?.abandon();
    this.#attempt = undefined;
    this.#codec = undefined;
    this.#socket?.destroy();
    this.#socket = undefined;
  }
  #adopt(socket: Socket): ClientConnection {
    const codec = createClientCodec(this.#protocol, {
      write: (bytes) => socket.write(bytes),
      end: () => socket.end(),
      destroy: () => socket.destroy(),
      pauseReading: () => socket.pause(),
      resumeReading: () => socket.resume(),
    });
    this.#socket = socket;
    this.#codec = codec;
    const gone = (): void => {
      if (this.#codec === codec) this.#codec = undefined;
      codec.closed('connection closed');
    };
    socket.on('data', (bytes: Buffer) => codec.receive(bytes));
    socket.on('end', () => codec.receiveEnd());
    socket.on('drain', () => codec.onSocketDrain());
    socket.on('error', gone);
    socket.on('close', gone);
    return codec;
  }
  #ask(
    codec: ClientConnection,
    request: RequestHead,
    body: Buffer | undefined,
    done: (response: ExchangeResponse | undefined) => void,
  ): void {
    let head: ResponseHead | undefined;
    const parts: Buffer[] = [];
    let kept = 0;
    let over = false;
    const finish = (trailers: HeaderList): void => {
      if (over) return;
      over = true;
      done(head === undefined ? undefined : { head, body: Buffer.concat(parts), trailers });
    };
    const stream = codec.openStream({
      onHead(received, endStream) {
        if (received.status >= 100 && received.status < 200) return;
        head = received;
        if (endStream) finish([]);
      },
      onData: (data, endStream) => {
        const part = data.subarray(0, Math.max(0, this.#maxBodyBytes - kept));
        kept += part.length;
        if (part.length > 0) parts.push(part);
        if (endStream) finish([]);
      },
      onTrailers: (trailers) => finish(trailers),
      onReset(_reason: ResetReason) {
        head = undefined;
        finish([]);
      },
      onDrain: () => undefined,
    });
    if (stream === undefined) {
      done(undefined);
      return;
    }
    stream.sendHead(request, body === undefined);
    if (body !== undefined) stream.sendData(body, true);
  }
}

/** The peer wants the connection closed after this response. */
export function asksToClose(head: ResponseHead): boolean {
  return (
    (header(head.headers, 'connection') ?? '').toLowerCase() === 'close' || (header(head.headers, 'proxy-connection') ?? '') === 'close'
  );
}
