/** A limit as the algorithms see it; times are of one unit, the caller's. */
export interface WindowLength {
  readonly maxAmount: number;
  readonly length: number;
}

/** One request to an algorithm. */
export interface Taking {
  readonly now: number;
  /** Negative gives back. */
  readonly amount: number;
  readonly bestEffort: boolean;
}
