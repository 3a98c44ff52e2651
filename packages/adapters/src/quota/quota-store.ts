/**
 * How a limit counts. All lengths of time are of the unit in which the store's clock counts.
 *
 * - `PERMANENT`: what is taken stays taken until it is given back.
 * - `FIXED_WINDOW`: `maxAmount` for each window; a window starts with the first taking after the one before has ended.
 * - `ROLLING_WINDOW`: `maxAmount` in any stretch of time as long as the window.
 * - `FAIR_SHARE`: a fixed window whose amount is divided among those who ask (`fair-share.ts`).
 * - `HITS`: windows aligned to the epoch that count whatever is asked, granted or not, as Envoy's rate limit service does.
 */
export type QuotaAlgorithm = 'PERMANENT' | 'FIXED_WINDOW' | 'ROLLING_WINDOW' | 'FAIR_SHARE' | 'HITS';

export interface QuotaLimit {
  readonly algorithm: QuotaAlgorithm;
  /** Whole number of units for each window. */
  readonly maxAmount: number;
  readonly windowMs: number;
  /** Takings closer together than this may count as one, made at the time of the last. */
  readonly grainMs: number;
}

/** Who asks, below the one above it in the list. */
export interface ShareHolder {
  /** ASCII without `/`, not empty. */
  readonly name: string;
  /** Whole number from 1 to 1000: shares are in proportion to it. */
  readonly weight: number;
}

export interface QuotaRequest {
  /** What is counted together. */
  readonly key: string;
  readonly limit: QuotaLimit;
  /** Of `FAIR_SHARE`: from the top of the tree to who asks. */
  readonly holders: readonly ShareHolder[];
  /** Whole number; negative gives back. */
  readonly amount: number;
  /** Takes what is left when that is less. */
  readonly bestEffort: boolean;
  /** The same id with the same key gets the same answer for a while. Empty: none. */
  readonly deduplicationId: string;
}

export interface QuotaAnswer {
  /** Units taken or, for a negative amount, given back. */
  readonly granted: number;
  /** How long the taken amount stays taken, in milliseconds; 0 for ever, and when nothing was taken. */
  readonly validMs: number;
  /** Of `HITS`: units counted in this window, with this request. */
  readonly used: number;
}

/** Keeps counts. Those elsewhere reject when they cannot answer in time. */
export interface QuotaStore {
  take(request: QuotaRequest): QuotaAnswer | Promise<QuotaAnswer>;
  close(): void;
}
