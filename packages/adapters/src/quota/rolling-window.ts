import type { Taking, WindowLength } from './taking.ts';

interface Grain {
  /** When the last of it was taken. */
  last: number;
  amount: number;
}

/** What was taken within the last window's length, the oldest first. */
export interface RollingWindow {
  used: number;
  /** When the newest grain began, while more may be added to it. */
  openSince: number;
  readonly grains: Grain[];
}

/**
 * Takes so that no stretch of time as long as the window holds more than the limit. What is taken within `grain` of a first taking is
 * kept as one and comes back when the last of it is as old as the window: counts are never above the limit, and below it by at most
 * `grain / length` of it.
 */
export function takeRolling(window: RollingWindow, limit: WindowLength & { readonly grain: number }, taking: Taking): number {
  const { maxAmount, length, grain } = limit;
  const { now, amount, bestEffort } = taking;
  const { grains } = window;
  let expired = 0;
  for (const { last, amount: taken } of grains) {
    if (last + length > now) break;
    expired++;
    window.used -= taken;
  }
  if (expired > 0) grains.splice(0, expired);
  if (amount < 0) return giveBack(window, -amount);
  const left = Math.max(0, maxAmount - window.used);
  const granted = amount <= left ? amount : bestEffort ? left : 0;
  if (granted === 0) return 0;
  const newest = grains.at(-1);
  if (newest !== undefined && now - window.openSince < grain) {
    newest.amount += granted;
    newest.last = Math.max(newest.last, now);
  } else {
    grains.push({ last: now, amount: granted });
    window.openSince = now;
  }
  window.used += granted;
  return granted;
}

/** The newest first: whoever gives back took it lately. */
function giveBack(window: RollingWindow, amount: number): number {
  let left = amount;
  for (let newest = window.grains.at(-1); newest !== undefined && left > 0; newest = window.grains.at(-1)) {
    const given = Math.min(left, newest.amount);
    newest.amount -= given;
    left -= given;
    if (newest.amount === 0) window.grains.pop();
  }
  window.used -= amount - left;
  window.openSince = Number.NEGATIVE_INFINITY;
  return amount - left;
}
