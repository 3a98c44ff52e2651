/** What an outbox needs of a stream: back pressure comes as a late callback. */
export interface ResponseSink<M> {
  write(message: M, taken: (error?: Error | null) => void): unknown;
}

/** The responses of one stream on their way: knows when the network has taken all of them. */
export class Outbox<M> {
  readonly #sink: ResponseSink<M>;
  #pending = 0;
  #waiting: (() => void)[] = [];

  constructor(sink: ResponseSink<M>) {
    this.#sink = sink;
  }
  /** Whether something has been written that the network has not taken yet. */
  get sending(): boolean {
    return this.#pending > 0;
  }
  send(message: M): void {
    this.#pending++;
    this.#sink.write(message, () => this.#taken());
  }
  /** Calls back once when everything has been taken, or can no longer be: at once when that is so now. */
  whenSent(callback: () => void): void {
    if (this.#pending === 0) callback();
    else this.#waiting.push(callback);
  }
  /** The stream is over. */
  close(): void {
    this.#pending = 0;
    this.#release();
  }
  #taken(): void {
    if (this.#pending === 0) return;
    this.#pending--;
    if (this.#pending === 0) this.#release();
  }
  #release(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const callback of waiting) callback();
  }
}
