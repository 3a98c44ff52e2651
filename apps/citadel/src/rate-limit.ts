/** A token bucket: `perSecond` on average, `burst` at once. */
export interface RateLimit {
  /** Takes one token at a monotonic time in milliseconds: 0 when there was one, else how many milliseconds to wait for the next. */
  take(nowMs: number): number;
}

export function createRateLimit(perSecond: number, burst: number): RateLimit {
  let tokens = burst;
  let last = 0;
  return {
    take(nowMs) {
      tokens = Math.min(burst, tokens + ((nowMs - last) / 1000) * perSecond);
      last = nowMs;
      if (tokens < 1) return Math.ceil(((1 - tokens) / perSecond) * 1000);
      tokens--;
      return 0;
    },
  };
}
