import {
  ByteMeter,
  type ClientConnection,
  type ClientStream,
  type CodecOutput,
  type HeaderList,
  type RequestHead,
  type ResetReason,
  type ResponseReceiver,
} from '@xebec/wire';

const noBytes = Buffer.alloc(0);

/**
 * A request that ends here and whose body goes on as the bytes of a TCP connection (`connect_config` of a route's CONNECT): the
 * connection carries one stream, which is answered with 200 as soon as it is there.
 */
export class TcpClientConnection extends ByteMeter implements ClientConnection, ClientStream {
  readonly #output: CodecOutput;
  /** What goes before everything else, such as a PROXY protocol header. */
  readonly #preamble: Buffer | undefined;
  #receiver: ResponseReceiver | undefined;
  #used = false;
  #congested = false;
  onAvailable: (() => void) | undefined = undefined;

  constructor(output: CodecOutput, preamble: Buffer | undefined) {
    super();
    this.#output = output;
    this.#preamble = preamble;
  }
  get activeStreams(): number {
    return this.#receiver === undefined ? 0 : 1;
  }
  get available(): boolean {
    return !this.#used;
  }
  openStream(receiver: ResponseReceiver): ClientStream | undefined {
    if (this.#used) return undefined;
    this.#used = true;
    this.#receiver = receiver;
    return this;
  }
  receive(bytes: Buffer): void {
    this.wireBytesReceived += bytes.length;
    this.#receiver?.onData(bytes, false);
  }
  receiveEnd(): void {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    receiver?.onData(noBytes, true);
    this.#output.end();
  }
  closed(detail: string): void {
    const receiver = this.#receiver;
    this.#used = true;
    this.#receiver = undefined;
    receiver?.onReset('connection-termination', detail);
  }
  onSocketDrain(): void {
    if (!this.#congested) return;
    this.#congested = false;
    this.#receiver?.onDrain();
  }
  /** A tunnel runs until one of its ends is gone. */
  drain(): void {
    this.#used = true;
    if (this.#receiver === undefined) this.#output.end();
  }
  sendHead(_head: RequestHead, endStream: boolean): void {
    if (this.#preamble !== undefined) this.#output.write(this.#preamble);
    if (endStream) this.#output.end();
    // Whoever sends the head is not ready for an answer yet.
    queueMicrotask(() => this.#receiver?.onHead({ status: 200, headers: [] }, false));
  }
  sendData(data: Buffer, endStream: boolean): boolean {
    this.wireBytesSent += data.length;
    const flowing = data.length === 0 || this.#output.write(data);
    if (!flowing) this.#congested = true;
    if (endStream) this.#output.end();
    return flowing;
  }
  sendTrailers(_trailers: HeaderList): void {
    this.#output.end();
  }
  reset(_reason: ResetReason): void {
    this.#receiver = undefined;
    this.#output.destroy('the request was reset');
  }
  pause(): void {
    this.#output.pauseReading?.();
  }
  resume(): void {
    this.#output.resumeReading?.();
  }
}
