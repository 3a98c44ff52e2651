import type { Clock, Logger } from '@xebec/core';

/** How far this machine's clock is from the CA's. */
export interface ClockWatch {
  /** What to add to the own clock to get the CA's, in milliseconds; 0 while they differ by no more than messages take. */
  offsetMs(): number;
  /** The CA's clock, as it was when a message left it. */
  note(caMs: number): void;
  /** A certificate that the CA made just now: where it is not valid by the own clock, one of the clocks is off. */
  noteFresh(certificate: { readonly notBefore: number; readonly notAfter: number }): void;
  /** Calls back when the offset changes; returns the unsubscriber. */
  subscribe(listener: () => void): () => void;
}

/** A message may be under way, or wait for a busy process, this long: differences below it are no differences of clocks. */
const NOISE_MS = 5000;
/** Certificates are backdated by two minutes: beyond half of that, somebody will refuse one. */
const WARN_MS = 60_000;

export function createClockWatch({ clock, logger }: { readonly clock: Clock; readonly logger: Logger }): ClockWatch {
  const listeners = new Set<() => void>();
  let offset = 0;
  let warned = false;
  const set = (measured: number) => {
    const next = Math.abs(measured) <= NOISE_MS ? 0 : measured;
    const off = Math.abs(next) > WARN_MS;
    if (off && !warned)
      logger.warn(
        { code: 'E_CLOCK', offsetMs: Math.round(next) },
        `this machine's clock is ${Math.round(Math.abs(next) / 1000)} s ${next > 0 ? 'behind' : 'ahead of'} the CA's: set it, or certificates are refused`,
      );
    if (!off && warned) logger.info({ offsetMs: Math.round(next) }, "the clock agrees with the CA's again");
    warned = off;
    if (Math.abs(next - offset) <= NOISE_MS && (next === 0) === (offset === 0)) return;
    offset = next;
    for (const listener of [...listeners]) listener();
  };
  return {
    offsetMs: () => offset,
    note: (caMs) => set(caMs - clock.now()),
    noteFresh({ notBefore, notAfter }) {
      const now = clock.now() + offset;
      if (now < notBefore) set(notBefore - clock.now());
      else if (now >= notAfter) set(Math.max(notBefore, notAfter - 1000) - clock.now());
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
