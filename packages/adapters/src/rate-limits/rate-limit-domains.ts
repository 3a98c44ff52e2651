import { createHash } from 'node:crypto';
import type { QuotaStore } from '../quota/quota-store.ts';
import type { DescriptorEntry, DescriptorLimit, DescriptorTree } from './descriptor-tree.ts';
import { UNIT_SECONDS } from './rate-limit-params.ts';

export interface RateLimitDescriptor {
  readonly entries: readonly DescriptorEntry[];
  /** From the caller: counts instead of what is configured. */
  readonly override: DescriptorLimit['rate'];
  /** Units that this descriptor counts; negative gives back. */
  readonly hits: number;
}

export interface DescriptorVerdict {
  readonly over: boolean;
  readonly limit: DescriptorLimit | undefined;
  /** Units left in this window; undefined without a limit. */
  readonly remaining: number | undefined;
  readonly resetMs: number;
}

/** The limits of one domain. */
export interface RateLimitDomain {
  readonly responseHeaders: boolean;
  /** One verdict for each descriptor, in their order. Rejects when the counts cannot be reached. */
  decide(descriptors: readonly RateLimitDescriptor[]): Promise<readonly DescriptorVerdict[]>;
}

/** Domains by name: filled by handlers, read by the rate limit service. */
export class RateLimitDomains {
  readonly #domains = new Map<string, RateLimitDomain>();

  get(name: string): RateLimitDomain | undefined {
    return this.#domains.get(name);
  }
  names(): readonly string[] {
    return [...this.#domains.keys()].sort();
  }
  /** The function gives the name back; undefined: another handler has it. */
  add(name: string, domain: RateLimitDomain): (() => void) | undefined {
    if (this.#domains.has(name)) return undefined;
    this.#domains.set(name, domain);
    return () => {
      if (this.#domains.get(name) === domain) this.#domains.delete(name);
    };
  }
}

const UNLIMITED: DescriptorVerdict = { over: false, limit: undefined, remaining: undefined, resetMs: 0 };
const MAX_KEY_LENGTH = 200;

export function createRateLimitDomain(name: string, tree: DescriptorTree, store: QuotaStore, responseHeaders: boolean): RateLimitDomain {
  const one = async (limit: DescriptorLimit, counted: readonly DescriptorEntry[], hits: number): Promise<DescriptorVerdict> => {
    const { rate, shadow } = limit;
    if (rate === undefined) return { over: false, limit, remaining: 0xffff_ffff, resetMs: 0 };
    const windowMs = UNIT_SECONDS[rate.unit] * rate.multiplier * 1000;
    const { used, validMs } = await store.take({
      key: keyOf(name, counted, `${rate.multiplier}${rate.unit}`),
      limit: { algorithm: 'HITS', maxAmount: rate.requests, windowMs, grainMs: windowMs },
      holders: [],
      amount: hits,
      bestEffort: false,
      deduplicationId: '',
    });
    return { over: used > rate.requests && !shadow, limit, remaining: Math.max(0, rate.requests - used), resetMs: validMs };
  };
  return {
    responseHeaders,
    decide: async (descriptors) => {
      const matched = descriptors.map(({ entries, override }) =>
        override === undefined ? tree(entries) : { limit: { name: '', rate: override, shadow: false, replaces: [] }, counted: entries },
      );
      const replaced = new Set(matched.flatMap((found) => found?.limit.replaces ?? []));
      return await Promise.all(
        matched.map((found, i) =>
          found === undefined || replaced.has(found.limit.name) ? UNLIMITED : one(found.limit, found.counted, descriptors[i]?.hits ?? 1),
        ),
      );
    },
  };
}

function keyOf(domain: string, entries: readonly DescriptorEntry[], unit: string): string {
  const text = [domain, ...entries.flatMap(({ key, value }) => [key, value])]
    .map((part) => encodeURIComponent(part.toWellFormed()))
    .join(';');
  const short = text.length <= MAX_KEY_LENGTH ? text : `${text.slice(0, 64)}~${createHash('sha256').update(text).digest('base64url')}`;
  return `${short};${unit}`;
}
