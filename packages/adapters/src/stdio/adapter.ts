import { ok } from '@xebec/core';
import type { Handler, InstanceValue } from '@xebec/policy';
import type { AdapterDefinition, AdapterEnvironment } from '../adapter.ts';
import { Delivery, type DeliveryLimits } from '../delivery/delivery.ts';
import {
  bigintField,
  logFields,
  logValue,
  mapField,
  microsecondTime,
  scalarFields,
  textField,
  valueField,
  wireName,
} from '../delivery/instance-fields.ts';
import { LEVELS, type Level, levelOf, readStdioParams, type StdioParams } from './params.ts';
import { dayMs, RotatingFile } from './rotating-file.ts';

/** How release 1.4's logger writes its levels. */
const LEVEL_TEXT: Readonly<Record<Level, string>> = { INFO: 'info', WARNING: 'warn', ERROR: 'error' };

/** A file system is near: what waits is what it takes within a few ticks. */
const FILE_LIMITS: DeliveryLimits = {
  maxEntries: 50_000,
  maxBytes: 32 * 1024 * 1024,
  batchEntries: 1_000,
  batchBytes: 1024 * 1024,
  intervalMs: 100,
  timeoutMs: 10_000,
  giveUpMs: 60_000,
};

/** Writes log entries, metrics, spans and edges as lines to an output stream or a file. */
export const stdio: AdapterDefinition = {
  name: 'stdio',
  templates: ['logentry', 'metric', 'tracespan', 'edge'],
  check(raw) {
    const parsed = readStdioParams(raw);
    return parsed.ok ? [] : parsed.error;
  },
  configure(raw, environment) {
    const parsed = readStdioParams(raw);
    if (!parsed.ok) return parsed;
    const params = parsed.value;
    const least = LEVELS.indexOf(params.outputLevel);
    const output = openOutput(params, environment);
    const handler: Handler = {
      report: (instances) => {
        for (const instance of instances) {
          const level =
            instance.template === 'logentry' ? levelOf(textField(instance.fields, 'severity') ?? '', params) : params.metricLevel;
          if (LEVELS.indexOf(level) < least) continue;
          output.write(line(instance, LEVEL_TEXT[level], timeOf(instance, environment), params.outputAsJson));
        }
      },
      close: output.close,
    };
    return ok(handler);
  },
};

interface Output {
  write(line: string): void;
  close(): void | Promise<void>;
}

function openOutput(params: StdioParams, { clock, random, logger, delivery, writeLine }: AdapterEnvironment): Output {
  const { logStream, outputPath } = params;
  if (logStream === 'STDOUT') return { write: writeLine, close: () => undefined };
  if (logStream === 'STDERR') return { write: (text) => void process.stderr.write(`${text}\n`), close: () => undefined };
  const rotation = {
    maxBytes: params.maxMegabytesBeforeRotation * 1024 * 1024,
    maxAgeMs: dayMs(params.maxDaysBeforeRotation),
    maxFiles: params.maxRotatedFiles,
  };
  const file = new RotatingFile(outputPath, logStream === 'FILE' ? undefined : rotation, clock);
  const lines = new Delivery<string>({
    destination: outputPath,
    limits: FILE_LIMITS,
    send: async (batch) => {
      await file.append(batch);
      return 0;
    },
    events: delivery,
    clock,
    random,
    logger,
  });
  return {
    write: (text) => void lines.offer(text, text.length),
    close: async () => {
      await lines.close();
      await file.close();
    },
  };
}

/** A log entry's own time; the end of a span; else now. */
function timeOf({ fields }: InstanceValue, { clock }: AdapterEnvironment): string {
  const ns = bigintField(fields, 'timestamp') ?? bigintField(fields, 'endTime') ?? BigInt(Math.floor(clock.now())) * 1_000_000n;
  return microsecondTime(ns);
}

const NOT_REPEATED: ReadonlySet<string> = new Set(['timestamp', 'severity', 'monitoredResourceType', 'monitored_resource_type']);

function contents({ template, fields }: InstanceValue): Record<string, unknown> {
  if (template === 'logentry') return logFields(mapField(fields, 'variables'));
  if (template === 'metric') {
    const value = valueField(fields);
    return { ...(value === undefined ? {} : { value: logValue(value) }), ...logFields(mapField(fields, 'dimensions')) };
  }
  return { ...scalarFields(fields, NOT_REPEATED), ...logFields(mapField(fields, 'spanTags')) };
}

/** One line: a JSON object, or time, level, name and the rest with tabs between them, for people. */
function line(instance: InstanceValue, level: string, time: string, asJson: boolean): string {
  const name = wireName(instance);
  const rest = contents(instance);
  return asJson ? JSON.stringify({ level, time, instance: name, ...rest }) : `${time}\t${level}\t${name}\t${JSON.stringify(rest)}`;
}
