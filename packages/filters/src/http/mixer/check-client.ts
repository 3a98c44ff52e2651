import { durationMs } from '@xebec/matching';
import type { CheckResponse, CheckResponse_PreconditionResult, ReferencedAttributes } from '@xebec/protos/istio/mixer/v1/mixer';
import type { FilterContext } from '../../http-filter.ts';
import type { AttributeSet } from './attribute.ts';
import { encodeCheck, type QuotaDemand } from './call-encoder.ts';
import { allowed, answerOf, type CheckAnswer, denied, readCheckResponse } from './check-answer.ts';
import type { ClientStats } from './client-stats.ts';
import { deduplicationIds } from './deduplication-ids.ts';
import { type CallerOptions, MixerCaller } from './mixer-caller.ts';
import { QuotaPool, type QuotaResult } from './quota-pool.ts';
import type { QuotaCharge } from './quota-rules.ts';
import { ReferenceCache } from './reference-cache.ts';
import { readReferences } from './references.ts';
import type { GlobalWords } from './word-dictionary.ts';

export interface CheckClientOptions extends CallerOptions {
  readonly failOpen: boolean;
  readonly cache: boolean;
  /** Amounts of quota asked for ahead of need. */
  readonly quotaPrefetch: number;
}

/** What a check came to. */
export interface CheckVerdict {
  readonly answer: CheckAnswer;
  readonly cacheHit: boolean;
  readonly quotaCacheHit: boolean;
}

interface KeptAnswer {
  readonly answer: CheckAnswer;
  readonly expiresAtMs: number;
  /** Negative: any number. */
  usesLeft: number;
}

const RESOURCE_EXHAUSTED = 8;
const UNAVAILABLE = 14;
const noCharges: readonly QuotaCharge[] = [];
const allowedFromCache: CheckVerdict = { answer: allowed, cacheHit: true, quotaCacheHit: false };

/** Asks Mixer whether calls may go on, or knows it from what Mixer said before. */
export class CheckClient<C> {
  readonly #options: CheckClientOptions;
  readonly #context: FilterContext;
  readonly #stats: ClientStats;
  readonly #words: GlobalWords;
  readonly #caller: MixerCaller;
  readonly #nextId: () => string;
  readonly #answers = new ReferenceCache<C, KeptAnswer>();
  readonly #pools = new Map<string, ReferenceCache<C, QuotaPool>>();
  readonly #isFresh: (kept: KeptAnswer) => boolean;

  constructor(options: CheckClientOptions, context: FilterContext, stats: ClientStats, words: GlobalWords) {
    this.#options = options;
    this.#context = context;
    this.#stats = stats;
    this.#words = words;
    this.#caller = new MixerCaller(options, context, stats, words);
    this.#nextId = deduplicationIds(context.random);
    this.#isFresh = (kept) => {
      if (kept.usesLeft === 0 || context.clock.monotonic() >= kept.expiresAtMs) return false;
      if (kept.usesLeft > 0) kept.usesLeft--;
      return true;
    };
  }
  /** The verdict where it is known at once; otherwise undefined, and `later` gets it. */
  check(set: AttributeSet<C>, call: C, charges: readonly QuotaCharge[], later: (verdict: CheckVerdict) => void): CheckVerdict | undefined {
    const stats = this.#stats;
    stats.total_check_calls.add(1);
    const kept = this.#options.cache ? this.#answers.find(set, call, this.#isFresh) : undefined;
    if (kept !== undefined) {
      stats.total_check_cache_hits.add(1);
      const { answer } = kept;
      if (answer.code !== 0 || answer.directStatus !== 0) stats.total_check_cache_hit_denies.add(1);
      else {
        stats.total_check_cache_hit_accepts.add(1);
        if (charges.length > 0) return this.#charge(set, call, charges, answer, later);
      }
      return answer === allowed ? allowedFromCache : { answer, cacheHit: true, quotaCacheHit: false };
    }
    stats.total_check_cache_misses.add(1);
    return this.#ask(set, call, charges, later);
  }

  /** Asks about the call, and for its quotas in the same message: they are not taken from what is refused. */
  #ask(set: AttributeSet<C>, call: C, charges: readonly QuotaCharge[], later: (verdict: CheckVerdict) => void): CheckVerdict | undefined {
    const stats = this.#stats;
    const { mode } = this.#caller;
    const policy = this.#failPolicy();
    if (mode !== 'ask') {
      stats.total_remote_check_skipped.add(1);
      if (mode === 'probe') this.#send(set, call, [], () => undefined);
      return policy;
    }
    const demands = charges.map(({ quota, amount }) => ({ name: quota, amount, bestEffort: false }));
    stats.total_quota_calls.add(charges.length);
    this.#send(set, call, demands, (response) => {
      if (response === undefined) {
        later(policy);
        return;
      }
      const answer = answerOf(response.precondition, this.#options.failOpen);
      const exhausted =
        answer.code === 0 ? charges.filter((charge) => this.#grantOf(response, charge.quota, charge.amount) < charge.amount) : noCharges;
      this.#countQuota(charges.length, exhausted.length);
      later({ answer: exhausted.length > 0 ? exhaustion(exhausted) : answer, cacheHit: false, quotaCacheHit: false });
    });
    return undefined;
  }
  #send(
    set: AttributeSet<C>,
    call: C,
    demands: readonly QuotaDemand[],
    done: (response: (CheckResponse & { readonly precondition: CheckResponse_PreconditionResult }) | undefined) => void,
  ): void {
    const stats = this.#stats;
    const id = this.#nextId();
    stats.total_remote_check_calls.add(1);
    if (demands.length > 0) stats.total_remote_quota_calls.add(1);
    this.#caller.call(
      () => encodeCheck(set, call, this.#words, id, demands),
      readCheckResponse,
      (response) => {
        const { precondition } = response;
        this.#keep(set, call, precondition);
        if ((precondition.status?.code ?? 0) === 0) stats.total_remote_check_accepts.add(1);
        else stats.total_remote_check_denies.add(1);
        done(response);
      },
      () => {
        stats.total_remote_check_failures.add(1);
        done(undefined);
      },
    );
  }
  #keep(set: AttributeSet<C>, call: C, precondition: CheckResponse_PreconditionResult): void {
    const { validDuration, validUseCount, referencedAttributes } = precondition;
    const validMs = validDuration === undefined ? Number.POSITIVE_INFINITY : durationMs(validDuration);
    if (!this.#options.cache || validUseCount === 0 || validMs <= 0) return;
    this.#answers.put(set, call, referencedAttributes, () => ({
      answer: answerOf(precondition, this.#options.failOpen),
      expiresAtMs: this.#context.clock.monotonic() + validMs,
      usesLeft: validUseCount,
    }));
  }

  /** Charges a call that may go on otherwise. */
  #charge(
    set: AttributeSet<C>,
    call: C,
    charges: readonly QuotaCharge[],
    answer: CheckAnswer,
    later: (verdict: CheckVerdict) => void,
  ): CheckVerdict | undefined {
    const stats = this.#stats;
    stats.total_quota_calls.add(charges.length);
    let pending = 0;
    let cacheHit = true;
    let decided = false;
    let failed = false;
    let unasked = false;
    const exhausted: QuotaCharge[] = [];
    const verdict = (): CheckVerdict => {
      if (exhausted.length > 0) return { answer: exhaustion(exhausted), cacheHit: true, quotaCacheHit: cacheHit };
      return failed && !this.#options.failOpen ? this.#failPolicy() : { answer, cacheHit: true, quotaCacheHit: cacheHit };
    };
    for (const charge of charges) {
      const pool = this.#poolOf(charge.quota).find(set, call, () => true);
      if (pool?.take(charge.amount, this.#context.clock.monotonic()) === true) {
        stats.total_quota_cache_hits.add(1);
        continue;
      }
      stats.total_quota_cache_misses.add(1);
      cacheHit = false;
      pending++;
      const waiter = {
        amount: charge.amount,
        done: (result: QuotaResult): void => {
          pending--;
          if (result === 'exhausted') exhausted.push(charge);
          else if (result === 'failed') failed = true;
          else if (result === 'unasked') unasked = true;
          if (pending > 0 || !decided) return;
          // What was kept does not hold any more: the call is asked about by itself.
          const known = unasked ? this.#ask(set, call, charges, later) : verdict();
          if (known !== undefined) later(known);
        },
      };
      const used = pool ?? new QuotaPool(this.#options.quotaPrefetch);
      if (!used.wait(waiter)) waiter.done('failed');
      else if (used.mustAsk) this.#askFor(charge.quota, used, set, call);
    }
    decided = true;
    return pending === 0 ? verdict() : undefined;
  }
  /** Asks for all that wait in a pool, and again while others have come meanwhile. */
  #askFor(quota: string, pool: QuotaPool, set: AttributeSet<C>, call: C): void {
    const { clock } = this.#context;
    const { amount, bestEffort, settle } = pool.ask();
    const again = (): void => {
      if (pool.mustAsk) this.#askFor(quota, pool, set, call);
    };
    const { mode } = this.#caller;
    if (mode !== 'ask') {
      this.#stats.total_remote_check_skipped.add(1);
      if (mode === 'probe') this.#send(set, call, [], () => undefined);
      settle('failed', 0, clock.monotonic());
      again();
      return;
    }
    this.#send(set, call, [{ name: quota, amount, bestEffort }], (response) => {
      const result = response?.quotas[quota];
      const refused = response !== undefined && (response.precondition.status?.code ?? 0) !== 0;
      if (response !== undefined && !refused) this.#recognise(quota, pool, set, call, result?.referencedAttributes);
      const granted = response === undefined ? 'failed' : refused ? 'unasked' : this.#grantOf(response, quota, amount);
      if (typeof granted === 'number') this.#countQuota(1, granted < amount ? 1 : 0);
      settle(granted, result?.validDuration === undefined ? 0 : durationMs(result.validDuration), clock.monotonic());
      again();
    });
  }
  /** Remembers which attributes tell this cell from others; when Mixer has come to use others, all cells are forgotten. */
  #recognise(quota: string, pool: QuotaPool, set: AttributeSet<C>, call: C, message: ReferencedAttributes | undefined): void {
    const signature = message === undefined ? undefined : readReferences<C>(message)?.signature;
    const pools = this.#poolOf(quota);
    if (pool.signature !== undefined && pool.signature !== signature) pools.clear();
    pool.signature = signature;
    if (pools.find(set, call, () => true) === undefined) pools.put(set, call, message, () => pool);
  }
  /** What was granted; Mixer says nothing of quotas that it has no rule for: they are not limited. */
  #grantOf(response: CheckResponse, quota: string, amount: number): number {
    const result = response.quotas[quota];
    if (result === undefined) return (response.precondition?.status?.code ?? 0) === 0 ? amount : 0;
    // An adapter that could not reach its store has refused nobody.
    if (result.status?.code === UNAVAILABLE && this.#options.failOpen) return amount;
    return Number(result.grantedAmount);
  }
  #poolOf(quota: string): ReferenceCache<C, QuotaPool> {
    let pools = this.#pools.get(quota);
    if (pools === undefined) {
      pools = new ReferenceCache();
      this.#pools.set(quota, pools);
    }
    return pools;
  }
  #countQuota(asked: number, exhausted: number): void {
    this.#stats.total_remote_quota_denies.add(exhausted);
    this.#stats.total_remote_quota_accepts.add(asked - exhausted);
  }
  #failPolicy(): CheckVerdict {
    const answer = this.#options.failOpen ? allowed : denied(UNAVAILABLE, 'policy check failed: Mixer did not answer');
    return { answer, cacheHit: false, quotaCacheHit: false };
  }
}

function exhaustion(charges: readonly QuotaCharge[]): CheckAnswer {
  return denied(RESOURCE_EXHAUSTED, `Quota is exhausted for: ${charges.map(({ quota }) => quota).join(',')}`);
}
