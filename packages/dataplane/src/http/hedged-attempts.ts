import type { ResponseHead } from '@xebec/wire';
import { type RetryRules, retriesResponse } from './retry-policy.ts';
import type { UpstreamAttempt } from './upstream-attempt.ts';

/** Tries that took longer than their time and go on beside the next one: the first good answer wins. */
export class HedgedAttempts {
  #late: readonly UpstreamAttempt[] = [];

  add(attempt: UpstreamAttempt): void {
    this.#late = [...this.#late, attempt];
  }
  /** Whether it was one of these, which it is no more. */
  remove(attempt: UpstreamAttempt): boolean {
    const before = this.#late.length;
    this.#late = this.#late.filter((other) => other !== attempt);
    return this.#late.length < before;
  }
  /** Judges an answer's head; `last`: no other try will follow. True when a late try has won, after which the others are over. */
  judge(attempt: UpstreamAttempt, head: ResponseHead, rules: RetryRules, last: boolean): boolean {
    const late = this.remove(attempt);
    if (retriesResponse(rules, head.status, head.headers)) {
      // A bad answer of an old try: the others go on.
      if (late) attempt.cancel();
      if (late || !last) return false;
    }
    this.cancel();
    return late;
  }
  cancel(): void {
    const late = this.#late;
    this.#late = [];
    for (const attempt of late) attempt.cancel();
  }
}
