import type { Host } from './host.ts';

/** A new host's weight grows to its full size: weight · max(min %, (age / window)^(1 / aggression)). */
export interface SlowStart {
  readonly windowMs: number;
  readonly aggression?: number | undefined;
  readonly minWeightPercent?: number | undefined;
}

/** The part of its weight that a host has now. */
export function slowStartFactor(slowStart: SlowStart, host: Host, nowMs: number): number {
  const age = nowMs - (host.healthySinceMs ?? Number.NEGATIVE_INFINITY);
  if (age >= slowStart.windowMs) return 1;
  const grown = (Math.max(Math.floor(age), 1) / slowStart.windowMs) ** (1 / (slowStart.aggression ?? 1));
  return Math.max((slowStart.minWeightPercent ?? 10) / 100, grown);
}
