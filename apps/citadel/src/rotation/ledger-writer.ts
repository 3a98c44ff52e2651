import { type Clock, errorText, type Logger } from '@xebec/core';

export interface LedgerWriterOptions {
  /** Writes the ledger as it is then. */
  write(): Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const WRITE_MS = 500;
/** One part in so many of the time goes into writing. */
const WRITE_SHARE = 30;
/** Who waits for a write waits for others to share it, so long. */
const GATHER_MS = 10;

/** When the ledger is written: some time after a change, or at once for those who wait for it, many of them by one write. */
export class LedgerWriter {
  readonly #options: LedgerWriterOptions;
  #later: (() => void) | undefined;
  #laterMs = WRITE_MS;
  #gathering: Promise<void> | undefined;
  #closed = false;

  constructor(options: LedgerWriterOptions) {
    this.#options = options;
  }
  /** Something changed that is to be written soon. */
  changed(): void {
    if (this.#closed || this.#later !== undefined) return;
    const { clock, logger } = this.#options;
    this.#later = clock.setTimeout(() => {
      this.#later = undefined;
      this.#write().catch((error: unknown) => {
        logger.warn({ code: 'E_CA_STORE' }, `the ledger is not written: ${errorText(error).slice(0, 200)}`);
        this.changed();
      });
    }, this.#laterMs);
  }
  /** Resolves when all that has changed until now is written; rejects when that cannot be. */
  written(): Promise<void> {
    this.#gathering ??= new Promise<void>((resolve) => void this.#options.clock.setTimeout(resolve, GATHER_MS)).then(() => {
      this.#gathering = undefined;
      return this.#write();
    });
    return this.#gathering;
  }
  /** Whoever closes writes what is not yet written. */
  close(): void {
    this.#closed = true;
    this.#later?.();
    this.#later = undefined;
  }
  async #write(): Promise<void> {
    const { clock, write } = this.#options;
    const start = clock.monotonic();
    await write();
    // A ledger of many leaves takes tens of milliseconds: that must not become what Citadel does most.
    this.#laterMs = Math.max(WRITE_MS, (clock.monotonic() - start) * WRITE_SHARE);
  }
}
