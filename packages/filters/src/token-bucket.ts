import { type Clock, XebecError } from '@xebec/core';
import { durationMs } from '@xebec/matching';
import type { TokenBucket as TokenBucketConfig } from '@xebec/protos/envoy/type/v3/token_bucket';
import type { BucketCell } from './process-state.ts';

/** Tokens that come back evenly over time, as Envoy's local rate limits count them. */
export class TokenBucket {
  readonly max: number;
  readonly tokensPerMs: number;
  readonly #cell: BucketCell;

  /** With a `cell` the tokens are those of all threads. */
  constructor(config: TokenBucketConfig | undefined, clock: Clock, cell?: BucketCell) {
    if (config === undefined || config.maxTokens < 1) throw new XebecError('E_FILTER_CONFIG', 'token_bucket.max_tokens must be at least 1');
    const fillMs = config.fillInterval === undefined ? 0 : durationMs(config.fillInterval);
    if (fillMs < 1) throw new XebecError('E_FILTER_CONFIG', 'token_bucket.fill_interval must be at least 1 ms');
    this.max = config.maxTokens;
    this.tokensPerMs = (config.tokensPerFill ?? 1) / fillMs;
    this.#cell = cell ?? new OwnCell(config.maxTokens, clock);
  }
  /** Takes tokens; false, and none taken, when there are not as many. */
  take(count = 1): boolean {
    return this.#cell.take(this.max, this.tokensPerMs, count);
  }
  get remaining(): number {
    return Math.floor(this.#tokens);
  }
  /** Whole seconds until the next token; 0 when there is one. */
  get resetSeconds(): number {
    const tokens = this.#tokens;
    return tokens >= 1 ? 0 : Math.ceil((1 - tokens) / this.tokensPerMs / 1000);
  }
  get #tokens(): number {
    return this.#cell.tokens(this.max, this.tokensPerMs);
  }
}

/** Tokens of one thread. */
class OwnCell implements BucketCell {
  readonly #clock: Clock;
  #tokens: number;
  #filledAtMs: number;

  constructor(max: number, clock: Clock) {
    this.#clock = clock;
    this.#tokens = max;
    this.#filledAtMs = clock.monotonic();
  }
  take(max: number, tokensPerMs: number, count: number): boolean {
    if (this.tokens(max, tokensPerMs) < count) return false;
    this.#tokens -= count;
    return true;
  }
  tokens(max: number, tokensPerMs: number): number {
    const now = this.#clock.monotonic();
    this.#tokens = Math.min(max, this.#tokens + (now - this.#filledAtMs) * tokensPerMs);
    this.#filledAtMs = now;
    return this.#tokens;
  }
}
