import type { Clock } from '@xebec/core';
import { currentBatch } from '@xebec/wire';

/** A clock that is read once for each batch (one event of one socket): what happens in a batch happens at one time. */
export function batchClock(clock: Clock): Clock {
  let nowBatch = 0;
  let nowMs = 0;
  let monotonicBatch = 0;
  let monotonicMs = 0;
  return {
    setTimeout: (fn, delayMs) => clock.setTimeout(fn, delayMs),
    setBackgroundTimeout: (fn, delayMs) => {
      if (clock.setBackgroundTimeout === undefined) clock.setTimeout(fn, delayMs);
      else clock.setBackgroundTimeout(fn, delayMs);
    },
    now() {
      const batch = currentBatch();
      if (batch === 0) return clock.now();
      if (batch !== nowBatch) {
        nowBatch = batch;
        nowMs = clock.now();
      }
      return nowMs;
    },
    monotonic() {
      const batch = currentBatch();
      if (batch === 0) return clock.monotonic();
      if (batch !== monotonicBatch) {
        monotonicBatch = batch;
        monotonicMs = clock.monotonic();
      }
      return monotonicMs;
    },
  };
}
