import { defaultWindowBytes, maxWindowBytes } from './constants.ts';

/** The connection's own windows (RFC 9113 section 6.9): what may be sent, and what the peer may send. */
export class ConnectionWindows {
  readonly #receiveLimit: number;
  #send = defaultWindowBytes;
  #receive: number;
  #uncredited = 0;

  /** `receiveLimit`: what the peer is told that it may send ahead. */
  constructor(receiveLimit: number) {
    this.#receiveLimit = receiveLimit;
    this.#receive = receiveLimit;
  }
  get send(): number {
    return this.#send;
  }
  sent(bytes: number): void {
    this.#send -= bytes;
  }
  /** False when the window would become too large. */
  open(bytes: number): boolean {
    this.#send += bytes;
    return this.#send <= maxWindowBytes;
  }
  /** False when the peer has sent more than it may. */
  received(bytes: number): boolean {
    this.#receive -= bytes;
    return this.#receive >= 0;
  }
  /** Bytes have been used; returns how many to give back to the peer now, in steps of half the window. */
  credit(bytes: number): number {
    this.#uncredited += bytes;
    if (this.#uncredited * 2 < this.#receiveLimit) return 0;
    const update = this.#uncredited;
    this.#receive += update;
    this.#uncredited = 0;
    return update;
  }
}
