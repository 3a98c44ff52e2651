import { ok } from '@xebec/core';
import type { LogRecord } from '@xebec/protos/opentelemetry/proto/logs/v1/logs';
import type { AdapterDefinition } from '../adapter.ts';
import { Delivery, type DeliveryLimits } from '../delivery/delivery.ts';
import { mapField, valueField } from '../delivery/instance-fields.ts';
import { isSampled, readSpan } from '../delivery/span.ts';
import { createExporter, type ServiceSpan } from './exporter.ts';
import { MetricExport } from './metric-export.ts';
import { readOpenTelemetryParams } from './params.ts';
import { toOtlpLog, toOtlpSpan } from './records.ts';
import { roughBytes } from './values.ts';

/** Limits of one signal. */
const LIMITS: DeliveryLimits = {
  maxEntries: 20_000,
  maxBytes: 32 * 1024 * 1024,
  batchEntries: 512,
  // Collectors take 4 MiB by default.
  batchBytes: 1024 * 1024,
  intervalMs: 1_000,
  timeoutMs: 10_000,
  giveUpMs: 60_000,
};

/** What a record takes beside its attributes. */
const RECORD_BYTES = 200;

/** Sends spans, log entries, edges (as log records) and metrics to an OpenTelemetry collector (OTLP 1.x). */
export const opentelemetry: AdapterDefinition = {
  name: 'opentelemetry',
  aliases: ['otel'],
  templates: ['tracespan', 'logentry', 'edge', 'metric'],
  check(raw) {
    const parsed = readOpenTelemetryParams(raw, 'any');
    return parsed.ok ? [] : parsed.error;
  },
  configure(raw, { namespace, clock, random, logger, delivery: events }) {
    const parsed = readOpenTelemetryParams(raw, namespace);
    if (!parsed.ok) return parsed;
    const params = parsed.value;
    const exporter = createExporter(params, clock);
    const destination = `opentelemetry ${params.target}`;
    const context = { destination, limits: LIMITS, events, clock, random, logger };
    const spans = new Delivery<ServiceSpan>({ ...context, send: (batch, signal) => exporter.traces(batch, signal) });
    const logs = new Delivery<LogRecord>({ ...context, send: (batch, signal) => exporter.logs([...batch], signal) });
    const { metrics: definitions, metricsInterval: intervalMs } = params;
    const metrics = new MetricExport({ definitions, intervalMs, exporter, destination, events, clock, logger });
    return ok({
      report: (instances) => {
        for (const instance of instances) {
          const { template, fields, name } = instance;
          if (template === 'metric') {
            const value = valueField(fields);
            if (value !== undefined) metrics.record(name, value, mapField(fields, 'dimensions'));
          } else if (template === 'tracespan') {
            const span = readSpan(instance, random);
            if (span === undefined) events.dropped(1);
            else if (isSampled(span.traceId, params.sampleProbability)) {
              spans.offer({ service: span.local.name, span: toOtlpSpan(span) }, RECORD_BYTES + roughBytes(span.tags));
            }
          } else {
            const record = toOtlpLog(instance, BigInt(Math.floor(clock.now())) * 1_000_000n);
            logs.offer(record, RECORD_BYTES + roughBytes(mapField(fields, 'variables')));
          }
        }
      },
      close: async () => {
        await Promise.all([spans.close(), logs.close(), metrics.close()]);
        exporter.close();
      },
    });
  },
};
