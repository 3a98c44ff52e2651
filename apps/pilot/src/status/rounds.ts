import type { Clock } from '@xebec/core';

const EVERY_MS = 1_000;

/** Work that is looked for once a second, one round after the other, until it is closed. */
export class Rounds {
  readonly #clock: Clock;
  readonly #round: (closed: () => boolean) => Promise<void>;
  #cancel: (() => void) | undefined;
  #closed = false;

  /** `round` asks `closed` between its steps, and does not fail. */
  constructor(clock: Clock, round: (closed: () => boolean) => Promise<void>) {
    this.#clock = clock;
    this.#round = round;
  }
  start(): void {
    this.#cancel = this.#clock.setTimeout(() => {
      void this.#round(() => this.#closed).finally(() => {
        if (!this.#closed) this.start();
      });
    }, EVERY_MS);
  }
  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }
}
