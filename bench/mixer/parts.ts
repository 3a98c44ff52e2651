import { check } from './check.ts';
import type { BenchPart } from './part.ts';
import { report } from './report.ts';

/** Everything that the benchmark measures, in this order; a new figure is one line here. */
export const parts: readonly BenchPart[] = [report, check];
