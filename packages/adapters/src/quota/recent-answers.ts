import type { QuotaAnswer } from './quota-store.ts';

/** More ids than these in one turn: the turn ends early. */
const MAX_IDS = 100_000;

/** Answers by deduplication id, for at least `keep` microseconds, unless more ids come than memory is meant for. */
export class RecentAnswers {
  readonly #keep: number;
  #turnEndsAt = 0;
  #recent = new Map<string, QuotaAnswer & { readonly at: number }>();
  #old = this.#recent;

  constructor(keep: number) {
    this.#keep = keep;
  }

  /** What was answered, with what is left of its validity. */
  get(id: string, now: number): QuotaAnswer | undefined {
    this.#turn(now);
    const known = this.#recent.get(id) ?? this.#old.get(id);
    return known === undefined ? undefined : { ...known, validMs: Math.max(0, known.validMs - (now - known.at) / 1000) };
  }
  set(id: string, answer: QuotaAnswer, now: number): void {
    this.#turn(now);
    this.#recent.set(id, { ...answer, at: now });
  }

  #turn(now: number): void {
    if (now < this.#turnEndsAt && this.#recent.size < MAX_IDS) return;
    this.#old = now >= this.#turnEndsAt + this.#keep ? new Map() : this.#recent;
    this.#recent = new Map();
    this.#turnEndsAt = now + this.#keep;
  }
}
