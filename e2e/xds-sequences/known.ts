import type { KnownDifference } from '../proxy-differential/harness/family.ts';

/** Where the two differ, by script and transport. */
export const known: Readonly<Record<string, KnownDifference>> = {};
