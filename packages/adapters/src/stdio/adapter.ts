import { ok } from '@xebec/core';
import { formatValue, jsonValue } from '@xebec/expressions';
import type { InstanceValue } from '@xebec/policy';
import { z } from 'zod';
import type { AdapterDefinition } from '../adapter.ts';
import { checkBySchema, parseParams } from '../params.ts';

const LEVELS = ['INFO', 'WARNING', 'ERROR'] as const;
type Level = (typeof LEVELS)[number];

const params = z.strictObject({
  logStream: z.enum(['STDOUT', 'STDERR']).optional(),
  severity_levels: z.record(z.string(), z.union([z.enum(LEVELS), z.int().min(0).max(2)])).optional(),
  severityLevels: z.record(z.string(), z.union([z.enum(LEVELS), z.int().min(0).max(2)])).optional(),
  outputAsJson: z.boolean().optional(),
  outputLevel: z.union([z.enum(LEVELS), z.int().min(0).max(2)]).optional(),
});

const DEFAULT_LEVELS: Readonly<Record<string, Level>> = {
  default: 'INFO',
  info: 'INFO',
  warning: 'WARNING',
  warn: 'WARNING',
  error: 'ERROR',
};

function level(value: Level | number | undefined): Level {
  return typeof value === 'number' ? (LEVELS[value] ?? 'INFO') : (value ?? 'INFO');
}

/** Writes log entries and metrics as JSON lines. */
export const stdio: AdapterDefinition = {
  name: 'stdio',
  templates: ['logentry', 'metric'],
  check: checkBySchema(params),
  configure(raw, { clock, writeLine }) {
    const parsed = parseParams(params, raw);
    if (!parsed.ok) return parsed;
    const { severity_levels, severityLevels, outputLevel } = parsed.value;
    const levels = { ...severity_levels, ...severityLevels };
    const least = LEVELS.indexOf(level(outputLevel));
    return ok({
      report: (instances) => {
        for (const { name, fields } of instances) {
          const severity = text(fields['severity']) ?? 'default';
          const entryLevel = level(levels[severity] ?? DEFAULT_LEVELS[severity.toLowerCase()]);
          if (LEVELS.indexOf(entryLevel) < least) continue;
          const time = text(fields['timestamp']) ?? new Date(clock.now()).toISOString();
          const value = fields['value'];
          const entries = fields['variables'] ?? fields['dimensions'];
          writeLine(
            JSON.stringify({
              level: entryLevel.toLowerCase(),
              time,
              instance: name,
              ...(value !== undefined && 'type' in value ? { value: jsonValue(value) } : {}),
              ...(entries instanceof Map ? Object.fromEntries([...entries].map(([key, entry]) => [key, jsonValue(entry)])) : {}),
            }),
          );
        }
      },
      close: () => undefined,
    });
  },
};

function text(field: InstanceValue['fields'][string] | undefined): string | undefined {
  return field !== undefined && 'type' in field ? formatValue(field) : undefined;
}
