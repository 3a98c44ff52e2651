import type { DifferentialFamily } from '../../harness/family.ts';

/** Where the two differ still; `open` ones are to go. */
export const known: NonNullable<DifferentialFamily['known']> = {
};
