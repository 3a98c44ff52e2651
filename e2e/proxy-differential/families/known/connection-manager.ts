import type { DifferentialFamily } from '../../harness/family.ts';

/** Where the two differ still. */
export const known: NonNullable<DifferentialFamily['known']> = {};
