/** Pings while a connection is open, to notice a peer that is gone without a word. */
export interface KeepaliveOptions {
  readonly intervalMs: number;
  /** How long a ping may stay without an answer. */
  readonly timeoutMs: number;
  /** Calls once after a delay; the returned function cancels. */
  readonly setTimeout: (fn: () => void, delayMs: number) => () => void;
}

export class Keepalive {
  readonly #options: KeepaliveOptions;
  readonly #ping: () => void;
  readonly #dead: () => void;
  #cancel: () => void;

  constructor(options: KeepaliveOptions, ping: () => void, dead: () => void) {
    this.#options = options;
    this.#ping = ping;
    this.#dead = dead;
    this.#cancel = options.setTimeout(() => this.#send(), options.intervalMs);
  }
  /** The peer has answered. */
  answered(): void {
    this.#cancel();
    this.#cancel = this.#options.setTimeout(() => this.#send(), this.#options.intervalMs);
  }
  close(): void {
    this.#cancel();
  }
  #send(): void {
    this.#cancel = this.#options.setTimeout(this.#dead, this.#options.timeoutMs);
    this.#ping();
  }
}
