import { z } from 'zod';
import { duration, percent, targetReference, workloadSelector } from '../fields.ts';

const providers = z
  .array(z.strictObject({ name: z.string().describe('Name of an extension provider of the mesh configuration.') }))
  .optional();
const workloadMode = z.enum(['UNDEFINED', 'CLIENT', 'SERVER', 'CLIENT_AND_SERVER']);

const customTag = z.strictObject({
  literal: z
    .strictObject({ value: z.string().describe('The value.') })
    .optional()
    .describe('The same value always.'),
  environment: z
    .strictObject({
      name: z.string().describe('Name of the variable.'),
      defaultValue: z.string().optional().describe('Value where it is not set.'),
    })
    .optional()
    .describe('An environment variable of the proxy.'),
  header: z
    .strictObject({
      name: z.string().describe('Name of the header.'),
      defaultValue: z.string().optional().describe('Value where there is none.'),
    })
    .optional()
    .describe('A header of the request.'),
  formatter: z
    .strictObject({ value: z.string().describe('The format.') })
    .optional()
    .describe('A format of the access log, such as %REQ(X-USER)%.'),
});

const tracing = z.strictObject({
  match: z
    .strictObject({ mode: workloadMode.optional().describe('CLIENT, SERVER, or both.') })
    .optional()
    .describe('Which side of a call.'),
  providers: providers.describe("Providers that spans are sent to; default: the mesh's."),
  randomSamplingPercentage: percent.optional().describe('Percentage of the requests that are traced where the caller has not decided.'),
  disableSpanReporting: z.boolean().optional().describe('Send no spans; trace headers are still passed on.'),
  customTags: z.record(z.string(), customTag).optional().describe('Tags of each span, by name.'),
  useRequestIdForTraceSampling: z
    .boolean()
    .optional()
    .describe("Decide by the request's identifier whether it is traced; true by default."),
  enableIstioTags: z.boolean().optional().describe("Add the mesh's own tags to spans; true by default."),
  disableContextPropagation: z.boolean().optional().describe('Pass on no trace headers.'),
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
  providers: providers.describe("Providers that metrics are made for; default: the mesh's."),
  overrides: z
    .array(
      z.strictObject({
        match: z
          .strictObject({
            metric: metricName.optional().describe('A standard metric.'),
            customMetric: z.string().optional().describe('Name of another metric.'),
            mode: workloadMode.optional().describe('CLIENT, SERVER, or both.'),
          })
          .optional()
          .describe('Which metrics; none: all.'),
        disabled: z.boolean().optional().describe('Make no such metric.'),
        tagOverrides: z
          .record(
            z.string(),
            z.strictObject({
              operation: z.enum(['UPSERT', 'REMOVE']).optional().describe('UPSERT sets the label, REMOVE takes it away.'),
              value: z.string().optional().describe('CEL expression of the value, for UPSERT.'),
            }),
          )
          .optional()
          .describe('Changes of labels, by name.'),
      }),
    )
    .optional()
    .describe('Changes of metrics, in this order.'),
  reportingInterval: duration.optional().describe('Time between two updates of the metrics of a long connection.'),
});

const accessLogging = z.strictObject({
  match: z
    .strictObject({ mode: workloadMode.optional().describe('CLIENT, SERVER, or both.') })
    .optional()
    .describe('Which side of a call.'),
  providers: providers.describe("Providers that write the log; default: the mesh's."),
  disabled: z.boolean().optional().describe('Write no log.'),
  filter: z
    .strictObject({ expression: z.string().optional().describe('CEL expression, such as response.code >= 400.') })
    .optional()
    .describe('Which requests are logged.'),
});

export const telemetrySpec = z
  .strictObject({
    selector: workloadSelector
      .optional()
      .describe('Pods that it is for; none: all of the namespace, or of the mesh from the root namespace.'),
    targetRef: targetReference.optional().describe('Gateway or service that it is for, in place of a selector.'),
    targetRefs: z.array(targetReference).optional().describe('Gateways or services that it is for, in place of a selector.'),
    tracing: z.array(tracing).optional().describe('Traces.'),
    metrics: z.array(metrics).optional().describe('Metrics.'),
    accessLogging: z.array(accessLogging).optional().describe('Access logs.'),
  })
  .describe('What proxies tell of requests: metrics, access logs and traces.');

export type TelemetrySpec = z.infer<typeof telemetrySpec>;
export type TelemetryTracing = z.infer<typeof tracing>;
export type TelemetryAccessLogging = z.infer<typeof accessLogging>;
export type TelemetryMetrics = z.infer<typeof metrics>;
