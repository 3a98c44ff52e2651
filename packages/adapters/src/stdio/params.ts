import { err, type Result, type Violation } from '@xebec/core';
import { z } from 'zod';
import { camelFields, enumValue, wholeNumber } from '../delivery/protobuf-fields.ts';
import { parseParams } from '../params.ts';

export const LEVELS = ['INFO', 'WARNING', 'ERROR'] as const;
export type Level = (typeof LEVELS)[number];
export const STREAMS = ['STDOUT', 'STDERR', 'FILE', 'ROTATED_FILE'] as const;

const params = z.strictObject({
  logStream: enumValue(STREAMS).default('STDOUT'),
  severityLevels: z.record(z.string(), enumValue(LEVELS)).optional(),
  metricLevel: enumValue(LEVELS).default('INFO'),
  outputAsJson: z.boolean().default(true),
  outputLevel: enumValue(LEVELS).default('INFO'),
  outputPath: z.string().default(''),
  maxMegabytesBeforeRotation: wholeNumber(1, 1_000_000).default(100),
  /** For so many days files that were set aside are kept; 0: for ever. */
  maxDaysBeforeRotation: wholeNumber(0, 100_000).default(30),
  maxRotatedFiles: wholeNumber(0, 1_000_000).default(1000),
});

export type StdioParams = z.output<typeof params>;

/** Params of release 1.4 with its defaults. */
export function readStdioParams(raw: unknown): Result<StdioParams> {
  const parsed = parseParams(params, camelFields(raw, Object.keys(params.shape)));
  if (!parsed.ok) return parsed;
  const { logStream, outputPath } = parsed.value;
  const toFile = logStream === 'FILE' || logStream === 'ROTATED_FILE';
  const violations: Violation[] = [];
  const path = 'spec.params.outputPath';
  if (toFile && outputPath === '') violations.push({ path, message: `required field is missing; logStream is ${logStream}` });
  if (!toFile && outputPath !== '') {
    violations.push({ path, message: `logStream ${logStream} has no path; set logStream to FILE or ROTATED_FILE, or take this out` });
  }
  return violations.length > 0 ? err(violations) : parsed;
}

/** What severities of log entries mean when the handler does not say. */
const DEFAULT_LEVELS: Readonly<Record<string, Level>> = {
  informational: 'INFO',
  info: 'INFO',
  warning: 'WARNING',
  warn: 'WARNING',
  error: 'ERROR',
  err: 'ERROR',
  fatal: 'ERROR',
};

/** The level of a log entry; unknown severities are INFO. The handler's own words are exact, the default ones in any case. */
export function levelOf(severity: string, { severityLevels }: StdioParams): Level {
  return severityLevels?.[severity] ?? DEFAULT_LEVELS[severity.toLowerCase()] ?? 'INFO';
}
