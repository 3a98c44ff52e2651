import type { ClusterStats } from '../clusters/cluster-stats.ts';
import type { Host } from '../clusters/host.ts';
import type { ResourceLimits } from '../clusters/resource-limits.ts';
import { canRetry } from '../clusters/resource-limits.ts';
import type { AnswerStats } from './answer-stats.ts';
import type { HttpStream } from './http-stream.ts';
import { type RetryRules, retryDelayMs } from './retry-policy.ts';

/** The tries of one request: how many there were, whether there may be another, and the wait before it. */
export class Retries {
  readonly rules: RetryRules;
  readonly #stream: HttpStream;
  readonly #stats: ClusterStats;
  readonly #limits: ResourceLimits;
  readonly #answers: AnswerStats;
  /** Tries begun so far. */
  attempts = 0;
  retried = false;
  /** Hosts tried so far, where the rules ask for them. */
  tried: Host[] | undefined = undefined;
  #cancelBackoff: (() => void) | undefined = undefined;

  constructor(rules: RetryRules, stream: HttpStream, stats: ClusterStats, limits: ResourceLimits, answers: AnswerStats) {
    this.rules = rules;
    this.#stream = stream;
    this.#stats = stats;
    this.#limits = limits;
    this.#answers = answers;
  }
  begin(host: Host): void {
    this.attempts++;
    if (this.rules.hosts === undefined) return;
    this.tried ??= [];
    this.tried.push(host);
  }
  /** Whether the policy has a try left. One that is asked for and not left is counted. */
  get left(): boolean {
    const { rules } = this;
    if (this.attempts <= rules.count) return true;
    if (rules.on.size > 0) {
      this.#stats.rqRetryLimitExceeded.add(1);
      this.#answers.countInParts('upstream_rq_retry_limit_exceeded');
      this.#stream.info.responseFlags.add('URX');
    }
    return false;
  }
  /** Runs `next` after the wait; false when the cluster allows no more retries at once. */
  schedule(next: () => void, delayMs?: number): boolean {
    const stats = this.#stats;
    const limits = this.#limits;
    if (!canRetry(limits)) {
      stats.rqRetryOverflow.add(1);
      this.#answers.countInParts('upstream_rq_retry_overflow');
      this.#stream.info.responseFlags.add('UO');
      return false;
    }
    this.retried = true;
    stats.rqRetry.add(1);
    this.#answers.countInParts('upstream_rq_retry');
    stats.rqRetryBackoffExponential.add(1);
    limits.retries.acquire();
    this.#cancelBackoff = this.#stream.clock.setTimeout(
      () => {
        this.#cancelBackoff = undefined;
        limits.retries.release();
        next();
      },
      delayMs ?? retryDelayMs(this.rules, this.attempts, this.#stream.random),
    );
    return true;
  }
  succeeded(): void {
    this.#stats.rqRetrySuccess.add(1);
    this.#answers.countInParts('upstream_rq_retry_success');
  }
  /** The next try will not be needed. */
  cancel(): void {
    if (this.#cancelBackoff === undefined) return;
    this.#cancelBackoff();
    this.#cancelBackoff = undefined;
    this.#limits.retries.release();
  }
}
