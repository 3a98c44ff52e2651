/** A token bucket: `perSecond` on average, `burst` at once. */
export interface RateLimit {
  /** Takes one token at a monotonic time in milliseconds; false when there is none. */
  take(nowMs: number): boolean;
}

export function createRateLimit(perSecond: number, burst: number): RateLimit {
  let tokens = burst;
  let last = 0;
  return {
    take(nowMs) {
      tokens = Math.min(burst, tokens + ((nowMs - last) / 1000) * perSecond);
      last = nowMs;
      if (tokens < 1) return false;
      tokens--;
      return true;
    },
  };
}
