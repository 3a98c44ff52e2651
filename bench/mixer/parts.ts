import { check } from './check.ts';
import { emptyCall } from './empty-call.ts';
import type { BenchPart } from './part.ts';
import { proxyParts } from './proxy.ts';
import { report } from './report.ts';
import { telemetry } from './telemetry.ts';

/** Everything that the benchmark measures, in this order; a new figure is one line here. */
export const parts: readonly BenchPart[] = [report, emptyCall, check, telemetry, ...proxyParts];
