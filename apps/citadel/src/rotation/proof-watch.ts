import { type Clock, errorText, type Logger } from '@xebec/core';
import type { Blocker } from './proof.ts';
import type { Rotation } from './rotation.ts';

export interface ProofWatchOptions {
  rotation(): Rotation | undefined;
  /** Goes on by one phase when nobody is missing; resolves to who is. */
  prove(): Promise<readonly Blocker[]>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Certificates expire without a word. */
const AGAIN_MS = 1000;
/** A look takes time that grows with the mesh: it must not become what Citadel does most. */
const LOOK_SHARE = 20;

/** Looks for the proof that a rotation waits for: at once when something has changed, and now and then. */
export class ProofWatch {
  readonly #options: ProofWatchOptions;
  #soon: (() => void) | undefined;
  #again: (() => void) | undefined;
  #restUntil = 0;
  #closed = false;
  #warnedOf = '';

  constructor(options: ProofWatchOptions) {
    this.#options = options;
  }
  /** To be called where something may have changed; many calls are one look. */
  changed(): void {
    const rotation = this.#options.rotation();
    if (this.#closed || this.#soon !== undefined || rotation === undefined || rotation.phase === 'steady') return;
    const { clock } = this.#options;
    this.#soon = clock.setTimeout(
      () => {
        this.#soon = undefined;
        void this.#look();
      },
      Math.max(0, this.#restUntil - clock.monotonic()),
    );
  }
  close(): void {
    this.#closed = true;
    this.#soon?.();
    this.#again?.();
  }
  async #look(): Promise<void> {
    const { clock, logger } = this.#options;
    const rotation = this.#options.rotation();
    if (this.#closed || rotation === undefined || rotation.phase === 'steady') return;
    this.#again?.();
    this.#again = clock.setTimeout(() => this.changed(), AGAIN_MS);
    if (rotation.paused) return;
    const start = clock.monotonic();
    try {
      const waiting = await this.#options.prove();
      this.#warnOf(rotation, waiting);
      // The next phase may be proven already.
      if (waiting.length === 0) this.changed();
    } catch (error) {
      logger.warn({ code: 'E_CA_STORE' }, `the rotation cannot go on: ${errorText(error).slice(0, 200)}`);
    }
    const took = clock.monotonic() - start;
    this.#restUntil = clock.monotonic() + Math.min(AGAIN_MS, took * LOOK_SHARE);
  }
  /** Waiting long is no failure, but somebody should look; once per phase and minute. */
  #warnOf(rotation: Rotation, waiting: readonly Blocker[]): void {
    const { clock, logger } = this.#options;
    const minutes = Math.floor((clock.now() - rotation.since) / 60_000);
    const key = `${rotation.phase} ${rotation.since} ${minutes}`;
    if (minutes === 0 || waiting.length === 0 || key === this.#warnedOf) return;
    this.#warnedOf = key;
    const names = waiting.slice(0, 5).map(({ id, reason }) => `${id} (${reason})`);
    logger.warn(
      { phase: rotation.phase, waitingFor: waiting.length },
      `the rotation waits for ${waiting.length} since ${minutes} min: ${names.join('; ')}; "xebec ca rotate --skip ID" goes on without one`,
    );
  }
}
