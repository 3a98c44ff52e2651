import { z } from 'zod';
import { duration, percent, targetReference, workloadSelector } from '../fields.ts';

const providers = z.array(z.strictObject({ name: z.string() })).optional();
const workloadMode = z.enum(['UNDEFINED', 'CLIENT', 'SERVER', 'CLIENT_AND_SERVER']);

const customTag = z.strictObject({
  literal: z.strictObject({ value: z.string() }).optional(),
  environment: z.strictObject({ name: z.string(), defaultValue: z.string().optional() }).optional(),
  header: z.strictObject({ name: z.string(), defaultValue: z.string().optional() }).optional(),
  formatter: z.strictObject({ value: z.string() }).optional(),
});

const tracing = z.strictObject({
  match: z.strictObject({ mode: workloadMode.optional() }).optional(),
  providers,
  randomSamplingPercentage: percent.optional(),
  disableSpanReporting: z.boolean().optional(),
  customTags: z.record(z.string(), customTag).optional(),
  useRequestIdForTraceSampling: z.boolean().optional(),
  enableIstioTags: z.boolean().optional(),
  disableContextPropagation: z.boolean().optional(),
});

const metricName = z.enum([
  'ALL_METRICS',
  'REQUEST_COUNT',
  'REQUEST_DURATION',
  'REQUEST_SIZE',
  'RESPONSE_SIZE',
  'TCP_OPENED_CONNECTIONS',
  'TCP_CLOSED_CONNECTIONS',
  'TCP_SENT_BYTES',
  'TCP_RECEIVED_BYTES',
  'GRPC_REQUEST_MESSAGES',
  'GRPC_RESPONSE_MESSAGES',
]);

const metrics = z.strictObject({
  providers,
  overrides: z
    .array(
      z.strictObject({
        match: z
          .strictObject({ metric: metricName.optional(), customMetric: z.string().optional(), mode: workloadMode.optional() })
          .optional(),
        disabled: z.boolean().optional(),
        tagOverrides: z
          .record(z.string(), z.strictObject({ operation: z.enum(['UPSERT', 'REMOVE']).optional(), value: z.string().optional() }))
          .optional(),
      }),
    )
    .optional(),
  reportingInterval: duration.optional(),
});

const accessLogging = z.strictObject({
  match: z.strictObject({ mode: workloadMode.optional() }).optional(),
  providers,
  disabled: z.boolean().optional(),
  filter: z.strictObject({ expression: z.string().optional() }).optional(),
});

export const telemetrySpec = z.strictObject({
  selector: workloadSelector.optional(),
  targetRef: targetReference.optional(),
  targetRefs: z.array(targetReference).optional(),
  tracing: z.array(tracing).optional(),
  metrics: z.array(metrics).optional(),
  accessLogging: z.array(accessLogging).optional(),
});

export type TelemetrySpec = z.infer<typeof telemetrySpec>;
export type TelemetryTracing = z.infer<typeof tracing>;
export type TelemetryAccessLogging = z.infer<typeof accessLogging>;
export type TelemetryMetrics = z.infer<typeof metrics>;
