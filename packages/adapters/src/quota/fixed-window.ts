import type { Taking, WindowLength } from './taking.ts';

/** One window's count. Times are of the caller's unit. */
export interface FixedWindow {
  used: number;
  endsAt: number;
}

/** Takes from the window that runs at `now`, or starts one. */
export function takeFixed(window: FixedWindow, { maxAmount, length }: WindowLength, { now, amount, bestEffort }: Taking): number {
  // A clock that was set back must not make a window longer than it is.
  if (now >= window.endsAt || window.endsAt - now > length) {
    window.used = 0;
    window.endsAt = now + length;
  }
  if (amount < 0) {
    const given = Math.min(-amount, window.used);
    window.used -= given;
    return given;
  }
  const left = Math.max(0, maxAmount - window.used);
  const granted = amount <= left ? amount : bestEffort ? left : 0;
  window.used += granted;
  return granted;
}

/** Counts into the window of the grid at `now`, whatever the limit; returns what is counted there. */
export function countHits(window: FixedWindow, length: number, now: number, amount: number): number {
  const endsAt = (Math.floor(now / length) + 1) * length;
  if (window.endsAt !== endsAt) {
    window.used = 0;
    window.endsAt = endsAt;
  }
  window.used = Math.max(0, window.used + amount);
  return window.used;
}
