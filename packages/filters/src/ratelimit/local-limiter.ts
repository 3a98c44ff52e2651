import type { Clock } from '@xebec/core';
import type { LocalRateLimitDescriptor } from '@xebec/protos/envoy/extensions/common/ratelimit/v3/ratelimit';
import type { TokenBucket as TokenBucketProto } from '@xebec/protos/envoy/type/v3/token_bucket';
import type { BucketCell } from '../process-state.ts';
import { TokenBucket } from '../token-bucket.ts';
import { type Descriptor, type DescriptorEntry, descriptorKey } from './descriptor.ts';

/** A descriptor whose values are not all given has a bucket for every combination of values, up to so many. */
interface DynamicDescriptor {
  readonly entries: readonly DescriptorEntry[];
  readonly bucket: TokenBucketProto | undefined;
  readonly made: Map<string, TokenBucket>;
}

export interface LocalLimiterOptions {
  readonly bucket: TokenBucketProto | undefined;
  readonly descriptors: readonly LocalRateLimitDescriptor[];
  readonly alwaysDefault: boolean;
  readonly maxDynamic: number;
  /** Where tokens are those of all threads; by the key of the descriptor, empty for the bucket of everything. */
  readonly cell?: ((descriptor: string) => BucketCell) | undefined;
}

export interface LocalVerdict {
  readonly allowed: boolean;
  /** The bucket that decided. */
  readonly bucket: TokenBucket | undefined;
}

/** Token buckets by descriptor, and one for everything (Envoy's local rate limits). */
export class LocalLimiter {
  readonly #default: TokenBucket | undefined;
  readonly #fixed = new Map<string, TokenBucket>();
  readonly #dynamic: DynamicDescriptor[] = [];
  readonly #clock: Clock;
  readonly #options: LocalLimiterOptions;

  constructor(options: LocalLimiterOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
    this.#default = options.bucket === undefined ? undefined : new TokenBucket(options.bucket, clock, options.cell?.(''));
    for (const { entries, tokenBucket } of options.descriptors) {
      const plain = entries.map(({ key, value }) => ({ key, value }));
      if (plain.some(({ value }) => value === '')) this.#dynamic.push({ entries: plain, bucket: tokenBucket, made: new Map() });
      else this.#fixed.set(descriptorKey(plain), new TokenBucket(tokenBucket, clock, options.cell?.(descriptorKey(plain))));
    }
  }
  /** Takes tokens for one request: the slowest bucket that its descriptors name decides first. */
  take(descriptors: readonly Descriptor[]): LocalVerdict {
    const matched: { readonly bucket: TokenBucket; readonly hits: number }[] = [];
    for (const { entries, hits } of descriptors) {
      const bucket = this.#find(entries);
      if (bucket !== undefined) matched.push({ bucket, hits: hits ?? 1 });
    }
    if (matched.length > 1) matched.sort((a, b) => a.bucket.tokensPerMs - b.bucket.tokensPerMs);
    for (const { bucket, hits } of matched) if (!bucket.take(hits)) return { allowed: false, bucket };
    const first = matched[0]?.bucket;
    if (this.#default === undefined || (first !== undefined && !this.#options.alwaysDefault)) return { allowed: true, bucket: first };
    if (!this.#default.take()) return { allowed: false, bucket: this.#default };
    return { allowed: true, bucket: first ?? this.#default };
  }
  #find(entries: readonly DescriptorEntry[]): TokenBucket | undefined {
    const key = descriptorKey(entries);
    const fixed = this.#fixed.get(key);
    if (fixed !== undefined) return fixed;
    const dynamic = this.#dynamic.find((candidate) => fits(candidate.entries, entries));
    if (dynamic === undefined) return undefined;
    const { made } = dynamic;
    const known = made.get(key);
    if (known !== undefined) {
      // Most recently used last.
      made.delete(key);
      made.set(key, known);
      return known;
    }
    if (made.size >= this.#options.maxDynamic) for (const oldest of made.keys()) if (made.delete(oldest)) break;
    const bucket = new TokenBucket(dynamic.bucket, this.#clock, this.#options.cell?.(key));
    made.set(key, bucket);
    return bucket;
  }
}

function fits(pattern: readonly DescriptorEntry[], entries: readonly DescriptorEntry[]): boolean {
  return (
    pattern.length === entries.length &&
    pattern.every(({ key, value }, i) => entries[i]?.key === key && (value === '' || entries[i]?.value === value))
  );
}
