import type { Violation } from '@xebec/core';
import { formatPath } from './violations.ts';

/** A finding that admission lets through. */
export interface Warning extends Violation {
  /** The code under which `xebec analyze` says the same by an analyzer of its own, where it does. */
  readonly analyzedAs?: string;
}

/** What a check of an object found beyond the shape of its fields. */
export interface Findings {
  /** Why admission refuses it. */
  readonly errors: readonly Violation[];
  /** What it likely does not mean to say, though it may. */
  readonly warnings: readonly Warning[];
}

export const NO_FINDINGS: Findings = { errors: [], warnings: [] };

/** Gathers findings by field path. */
export class FindingList implements Findings {
  readonly errors: Violation[] = [];
  readonly warnings: Warning[] = [];

  error(path: readonly PropertyKey[], message: string): void {
    this.errors.push({ path: formatPath(path), message });
  }

  /** An error where a check of the value found something wrong. */
  refuse(path: readonly PropertyKey[], problem: string | undefined): void {
    if (problem !== undefined) this.error(path, problem);
  }

  warning(path: readonly PropertyKey[], message: string, analyzedAs?: string): void {
    this.warnings.push({ path: formatPath(path), message, ...(analyzedAs === undefined ? {} : { analyzedAs }) });
  }
}
