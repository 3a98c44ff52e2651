import type { Violation } from '@xebec/core';
import { formatPath } from './violations.ts';

/** What a check of an object found beyond the shape of its fields. */
export interface Findings {
  /** Why admission refuses it. */
  readonly errors: readonly Violation[];
  /** What it likely does not mean to say, though it may. */
  readonly warnings: readonly Violation[];
}

export const NO_FINDINGS: Findings = { errors: [], warnings: [] };

/** Gathers findings by field path. */
export class FindingList implements Findings {
  readonly errors: Violation[] = [];
  readonly warnings: Violation[] = [];

  error(path: readonly PropertyKey[], message: string): void {
    this.errors.push({ path: formatPath(path), message });
  }

  /** An error where a check of the value found something wrong. */
  refuse(path: readonly PropertyKey[], problem: string | undefined): void {
    if (problem !== undefined) this.error(path, problem);
  }

  warning(path: readonly PropertyKey[], message: string): void {
    this.warnings.push({ path: formatPath(path), message });
  }
}
