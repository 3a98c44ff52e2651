/** The virtual time of one token bucket, which all threads of the process share. */
export interface BucketCell {
  /** Takes tokens from a bucket of that size and rate; false, and none taken, when there are not as many. */
  take(max: number, tokensPerMs: number, count: number): boolean;
  tokens(max: number, tokensPerMs: number): number;
}

/** What filters of several threads count together; the same name is the same thing in every thread. */
export interface ProcessState {
  tokenBucket(name: string): BucketCell;
  counter(name: string): { readonly value: number; add(n: number): void };
}
