import type { QuotaAnswer, QuotaRequest, QuotaStore } from '../quota/quota-store.ts';
import { quotaScript } from './quota-script.ts';
import { RedisScript, type RedisScriptOptions } from './redis-script.ts';

/** Answers are remembered by id for as long as the window, but not for longer than clients try again. */
const MAX_REMEMBER_MS = 60_000;
const MIN_REMEMBER_MS = 1_000;

/** Counts in Redis, by its clock: all who use the same server and prefix count together. */
export class RedisQuotaStore implements QuotaStore {
  readonly #script: RedisScript;
  readonly #prefix: string;
  /** Microseconds; tests give the time, everyone else leaves it to Redis. */
  readonly #now: (() => number) | undefined;

  constructor(options: Omit<RedisScriptOptions, 'script' | 'keys'> & { readonly prefix: string; readonly now?: () => number }) {
    this.#script = new RedisScript({ ...options, script: quotaScript, keys: 3 });
    this.#prefix = options.prefix;
    this.#now = options.now;
  }

  async take({ key, limit, holders, amount, bestEffort, deduplicationId }: QuotaRequest): Promise<QuotaAnswer> {
    const micros = (ms: number) => Math.floor(ms * 1000);
    // The braces keep the keys of one cell together where Redis is a cluster.
    const cell = `${this.#prefix}{${key}}`;
    const remember = deduplicationId === '' ? 0 : Math.ceil(Math.min(MAX_REMEMBER_MS, Math.max(MIN_REMEMBER_MS, limit.windowMs)));
    const answer = await this.#script.run([
      cell,
      `${cell}:grains`,
      `${cell}:id:${deduplicationId}`,
      limit.algorithm,
      limit.maxAmount,
      micros(limit.windowMs),
      micros(limit.grainMs),
      amount,
      bestEffort ? 1 : 0,
      remember,
      this.#now?.() ?? '',
      ...holders.flatMap(({ name, weight }) => [name, weight]),
    ]);
    const [granted, valid, used] = Array.isArray(answer) ? answer.map(Number) : [];
    if (granted === undefined || valid === undefined || used === undefined)
      throw new Error('Redis answered something else than the script does');
    return { granted, validMs: valid / 1000, used };
  }
  close(): void {
    this.#script.close();
  }
}
