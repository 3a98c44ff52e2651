import { emptyFairShare, type FairShareWindow, takeFairShare } from './fair-share.ts';
import { countHits, type FixedWindow, takeFixed } from './fixed-window.ts';
import type { QuotaAnswer, QuotaRequest, QuotaStore } from './quota-store.ts';
import { RecentAnswers } from './recent-answers.ts';
import { type RollingWindow, takeRolling } from './rolling-window.ts';

const MAX_CELLS = 100_000;

type Cell =
  | { readonly algorithm: 'PERMANENT'; used: number }
  | { readonly algorithm: 'FIXED_WINDOW' | 'HITS'; readonly window: FixedWindow }
  | { readonly algorithm: 'ROLLING_WINDOW'; readonly window: RollingWindow }
  | { readonly algorithm: 'FAIR_SHARE'; readonly window: FairShareWindow };

interface Entry {
  readonly cell: Cell;
  /** From here on, in microseconds, the cell says the same as none; undefined: it never does. */
  idleAt: number | undefined;
}

export interface MemoryStoreOptions {
  /** Milliseconds that never go back; fractions count. */
  readonly now: () => number;
  /** How long answers are remembered by id, at least. */
  readonly deduplicationMs: number;
  readonly maxCells?: number;
  /** A cell had to be forgotten before its time: there are more keys than memory is meant for. */
  readonly onForgotten?: () => void;
}

/** Counts in this process, in microseconds. Memory is bounded: beyond `maxCells` keys the one that was asked longest ago is forgotten, permanent ones never. */
export class MemoryQuotaStore implements QuotaStore {
  /** The one asked longest ago first. */
  readonly #cells = new Map<string, Entry>();
  readonly #permanent = new Map<string, Entry>();
  readonly #recent: RecentAnswers;
  readonly #options: MemoryStoreOptions;

  constructor(options: MemoryStoreOptions) {
    this.#options = options;
    this.#recent = new RecentAnswers(wholeMicros(options.deduplicationMs));
  }
  get size(): number {
    return this.#cells.size + this.#permanent.size;
  }

  take(request: QuotaRequest): QuotaAnswer {
    const now = wholeMicros(this.#options.now());
    const id = request.deduplicationId === '' ? '' : `${request.deduplicationId} ${request.key}`;
    const known = id === '' ? undefined : this.#recent.get(id, now);
    if (known !== undefined) return known;
    const answer = this.#take(request, now);
    if (id !== '') this.#recent.set(id, answer, now);
    return answer;
  }
  close(): void {
    this.#cells.clear();
    this.#permanent.clear();
  }

  #take({ key, limit, holders, amount, bestEffort }: QuotaRequest, now: number): QuotaAnswer {
    const entry = this.#entry(key, limit.algorithm, now);
    if (entry === undefined) return { granted: 0, validMs: 0, used: 0 };
    const { cell } = entry;
    const { maxAmount } = limit;
    const length = wholeMicros(limit.windowMs);
    const grain = wholeMicros(limit.grainMs);
    const taking = { now, amount, bestEffort };
    let valid = length;
    let used = 0;
    let granted: number;
    switch (cell.algorithm) {
      case 'PERMANENT': {
        const window = { used: cell.used, endsAt: Number.POSITIVE_INFINITY };
        granted = takeFixed(window, { maxAmount, length: Number.POSITIVE_INFINITY }, taking);
        cell.used = window.used;
        if (cell.used === 0) this.#permanent.delete(key);
        return { granted, validMs: 0, used };
      }
      case 'FIXED_WINDOW':
        granted = takeFixed(cell.window, { maxAmount, length }, taking);
        entry.idleAt = cell.window.endsAt;
        valid = cell.window.endsAt - now;
        break;
      case 'HITS':
        used = countHits(cell.window, length, now, amount);
        granted = used <= maxAmount ? amount : 0;
        entry.idleAt = cell.window.endsAt;
        return { granted, validMs: (cell.window.endsAt - now) / 1000, used };
      case 'ROLLING_WINDOW':
        granted = takeRolling(cell.window, { maxAmount, length, grain }, taking);
        entry.idleAt = (cell.window.grains.at(-1)?.last ?? now) + length;
        break;
      case 'FAIR_SHARE':
        granted = takeFairShare(cell.window, { maxAmount, length }, holders, taking);
        // What was asked in this window makes the shares of the next one.
        entry.idleAt = cell.window.endsAt + length;
        valid = cell.window.endsAt - now;
        break;
    }
    return { granted, validMs: amount > 0 && granted > 0 ? valid / 1000 : 0, used };
  }

  #entry(key: string, algorithm: Cell['algorithm'], now: number): Entry | undefined {
    const { maxCells = MAX_CELLS, onForgotten } = this.#options;
    const cells = algorithm === 'PERMANENT' ? this.#permanent : this.#cells;
    const known = cells.get(key);
    if (known !== undefined && known.cell.algorithm === algorithm) {
      if (algorithm !== 'PERMANENT') {
        cells.delete(key);
        cells.set(key, known);
      }
      return known;
    }
    this.#dropIdle(now);
    if (this.size >= maxCells) {
      const oldest = this.#cells.keys().next();
      if (oldest.done === true) return undefined;
      this.#cells.delete(oldest.value);
      onForgotten?.();
    }
    const entry: Entry = { cell: newCell(algorithm), idleAt: undefined };
    cells.set(key, entry);
    return entry;
  }
  /** Two for each new one, so that what is idle goes sooner than new ones come. */
  #dropIdle(now: number): void {
    let looked = 0;
    for (const [key, { idleAt }] of this.#cells) {
      if (looked++ === 2) return;
      if (idleAt !== undefined && idleAt <= now) this.#cells.delete(key);
    }
  }
}

/** Whole numbers, so that sums of times are exact. */
function wholeMicros(ms: number): number {
  return Math.floor(ms * 1000);
}

function newCell(algorithm: Cell['algorithm']): Cell {
  switch (algorithm) {
    case 'PERMANENT':
      return { algorithm, used: 0 };
    case 'FIXED_WINDOW':
    case 'HITS':
      return { algorithm, window: { used: 0, endsAt: Number.NEGATIVE_INFINITY } };
    case 'ROLLING_WINDOW':
      return { algorithm, window: { used: 0, openSince: Number.NEGATIVE_INFINITY, grains: [] } };
    case 'FAIR_SHARE':
      return { algorithm, window: emptyFairShare() };
  }
}
