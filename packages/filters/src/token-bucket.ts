import { type Clock, XebecError } from '@xebec/core';
import { durationMs } from '@xebec/matching';
import type { TokenBucket as TokenBucketConfig } from '@xebec/protos/envoy/type/v3/token_bucket';

/** Tokens that come back evenly over time, as Envoy's local rate limits count them. */
export class TokenBucket {
  readonly max: number;
  readonly tokensPerMs: number;
  readonly #clock: Clock;
  #tokens: number;
  #filledAtMs: number;

  constructor(config: TokenBucketConfig | undefined, clock: Clock) {
    if (config === undefined || config.maxTokens < 1) throw new XebecError('E_FILTER_CONFIG', 'token_bucket.max_tokens must be at least 1');
    const fillMs = config.fillInterval === undefined ? 0 : durationMs(config.fillInterval);
    if (fillMs < 1) throw new XebecError('E_FILTER_CONFIG', 'token_bucket.fill_interval must be at least 1 ms');
    this.max = config.maxTokens;
    this.tokensPerMs = (config.tokensPerFill ?? 1) / fillMs;
    this.#clock = clock;
    this.#tokens = config.maxTokens;
    this.#filledAtMs = clock.monotonic();
  }
  /** Takes tokens; false, and none taken, when there are not as many. */
  take(count = 1): boolean {
    this.#fill();
    if (this.#tokens < count) return false;
    this.#tokens -= count;
    return true;
  }
  get remaining(): number {
    this.#fill();
    return Math.floor(this.#tokens);
  }
  /** Whole seconds until the next token; 0 when there is one. */
  get resetSeconds(): number {
    this.#fill();
    return this.#tokens >= 1 ? 0 : Math.ceil((1 - this.#tokens) / this.tokensPerMs / 1000);
  }
  #fill(): void {
    const now = this.#clock.monotonic();
    this.#tokens = Math.min(this.max, this.#tokens + (now - this.#filledAtMs) * this.tokensPerMs);
    this.#filledAtMs = now;
  }
}
