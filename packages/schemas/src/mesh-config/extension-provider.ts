import { z } from 'zod';
import { duration, stringMap, uint32 } from '../fields.ts';

/** As in protobuf, what is left out is empty: one provider that is not complete must not bring the mesh to a halt. */
const text = z.string().default('');
const service = {
  service: text.describe('Host of the service, as namespace/host or host.'),
  port: uint32.default(0).describe('Port of the service.'),
};
const strings = z.array(z.string()).optional();

const requestBody = z
  .strictObject({
    maxRequestBytes: uint32.optional().describe('Bytes of the body that are sent at most.'),
    allowPartialMessage: z.boolean().optional().describe('Send the beginning of a longer body, in place of answering 413.'),
    packAsBytes: z.boolean().optional().describe('Send the body as bytes, not as text.'),
  })
  .optional();

const header = z.strictObject({
  name: text.describe('Name of the header.'),
  value: z.string().optional().describe('Value of the header.'),
  envName: z.string().optional().describe('Environment variable of the proxy that holds the value.'),
});
const headers = z.array(header).optional();
const httpService = z.strictObject({
  path: text.describe('Path of the requests.'),
  timeout: duration.optional().describe('Time limit of a request.'),
  headers: headers.describe('Headers of the requests.'),
});

const logFormat = z
  .strictObject({
    text: z.string().optional().describe('Format as text, with operators such as %RESPONSE_CODE%.'),
    labels: z.record(z.string(), z.unknown()).optional().describe('Format by field; the log is written as JSON.'),
  })
  .optional();

/** One of MeshConfig's `extensionProviders`: a name and exactly one kind of provider. */
export const extensionProvider = z.strictObject({
  name: text.describe('Name by which Telemetry and AuthorizationPolicy objects, and defaultProviders, refer to it.'),
  prometheus: z.strictObject({}).optional().describe('Metrics for Prometheus.'),
  stackdriver: z
    .strictObject({
      debug: z.boolean().optional().describe('Write spans to the log.'),
      maxNumberOfAttributes: z.unknown().optional().describe('Most attributes of a span.'),
      maxNumberOfAnnotations: z.unknown().optional().describe('Most annotations of a span.'),
      maxNumberOfMessageEvents: z.unknown().optional().describe('Most events of a span.'),
      maxTagLength: uint32.optional().describe('Longest path in a span, in bytes.'),
      logging: z
        .strictObject({ labels: stringMap.optional().describe('Labels of log entries, each a CEL expression.') })
        .optional()
        .describe('Access logs.'),
    })
    .optional()
    .describe("Google Cloud's monitoring; accepted, without effect."),
  zipkin: z
    .strictObject({
      ...service,
      maxTagLength: uint32.optional().describe('Longest path in a span, in bytes.'),
      enable64bitTraceId: z.boolean().optional().describe('Trace identifiers of 64 bits, in place of 128.'),
      path: z.string().optional().describe('Path of the collector; default /api/v2/spans.'),
      timeout: duration.optional().describe('Time limit of a request to the collector.'),
      headers: headers.describe('Headers of the requests to the collector.'),
      traceContextOption: z
        .enum(['USE_B3', 'USE_B3_WITH_W3C_PROPAGATION'])
        .optional()
        .describe("Trace headers: B3 alone, or W3C's with them."),
    })
    .optional()
    .describe('Traces to a Zipkin collector.'),
  opentelemetry: z
    .strictObject({
      ...service,
      maxTagLength: uint32.optional().describe('Longest path in a span, in bytes.'),
      http: httpService.optional().describe('Send spans by HTTP, in place of gRPC.'),
      grpc: z
        .strictObject({
          timeout: duration.optional().describe('Time limit of a call.'),
          initialMetadata: headers.describe('Metadata of the calls.'),
        })
        .optional()
        .describe('Settings of the gRPC calls.'),
      resourceDetectors: z
        .strictObject({
          environment: z.strictObject({}).optional().describe('Environment variable OTEL_RESOURCE_ATTRIBUTES.'),
          dynatrace: z.strictObject({}).optional().describe('Files of a Dynatrace agent.'),
        })
        .optional()
        .describe("Where the resource's attributes are taken from."),
      serviceAttributeEnrichment: z
        .enum(['ISTIO_CANONICAL', 'OTEL_SEMANTIC_CONVENTIONS'])
        .optional()
        .describe('Names of the attributes that tell of the workload.'),
      dynatraceSampler: z
        .strictObject({
          tenant: text.describe('Tenant of Dynatrace.'),
          clusterId: z.int().default(0).describe('Cluster of Dynatrace.'),
          rootSpansPerMinute: uint32.optional().describe('Traces begun in a minute, until Dynatrace says another number.'),
          httpService: z
            .strictObject({ ...service, http: httpService.describe('The requests.') })
            .optional()
            .describe('Where the sampling rules are fetched.'),
        })
        .optional()
        .describe('Sampling as Dynatrace decides.'),
    })
    .optional()
    .describe('Traces to an OpenTelemetry collector.'),
  envoyFileAccessLog: z
    .strictObject({
      path: z.string().optional().describe('The file; default /dev/stdout.'),
      logFormat: logFormat.describe("Format; default: the mesh's."),
      omitEmptyValues: z.boolean().optional().describe('Leave out fields without value.'),
    })
    .optional()
    .describe('Access logs to a file.'),
  envoyExtAuthzHttp: z
    .strictObject({
      ...service,
      timeout: duration.optional().describe('Time limit of a check; default 10m.'),
      pathPrefix: z.string().optional().describe('What is put before the path of the request.'),
      failOpen: z.boolean().optional().describe('Let requests pass where the service fails.'),
      clearRouteCache: z.boolean().optional().describe('Choose the route anew after the check.'),
      statusOnError: z.string().optional().describe('Status code where the service fails; default 403.'),
      includeHeadersInCheck: strings.describe('Deprecated: write includeRequestHeadersInCheck.'),
      includeRequestHeadersInCheck: strings.describe('Headers of the request that the service sees; * at the start or end.'),
      includeAdditionalHeadersInCheck: stringMap.optional().describe('Further headers of the check.'),
      includeRequestBodyInCheck: requestBody.describe('Send the body of the request too.'),
      headersToUpstreamOnAllow: strings.describe("Headers of the service's answer that the application gets."),
      headersToDownstreamOnDeny: strings.describe("Headers of the service's answer that a refused caller gets."),
      headersToDownstreamOnAllow: strings.describe("Headers of the service's answer that an accepted caller gets."),
    })
    .optional()
    .describe('Authorization by an HTTP service, for policies with action CUSTOM.'),
  envoyExtAuthzGrpc: z
    .strictObject({
      ...service,
      timeout: duration.optional().describe('Time limit of a check; default 10m.'),
      failOpen: z.boolean().optional().describe('Let requests pass where the service fails.'),
      clearRouteCache: z.boolean().optional().describe('Choose the route anew after the check.'),
      statusOnError: z.string().optional().describe('Status code where the service fails; default 403.'),
      includeRequestBodyInCheck: requestBody.describe('Send the body of the request too.'),
    })
    .optional()
    .describe('Authorization by a gRPC service, for policies with action CUSTOM.'),
  envoyHttpAls: z
    .strictObject({
      ...service,
      logName: z.string().optional().describe('Name of the log.'),
      filterStateObjectsToLog: strings.describe('Filter state that is logged.'),
      additionalRequestHeadersToLog: strings.describe('Headers of the request that are logged.'),
      additionalResponseHeadersToLog: strings.describe('Headers of the response that are logged.'),
      additionalResponseTrailersToLog: strings.describe('Trailers of the response that are logged.'),
    })
    .optional()
    .describe('Access logs of HTTP to a gRPC service.'),
  envoyTcpAls: z
    .strictObject({
      ...service,
      logName: z.string().optional().describe('Name of the log.'),
      filterStateObjectsToLog: strings.describe('Filter state that is logged.'),
    })
    .optional()
    .describe('Access logs of TCP to a gRPC service.'),
  envoyOtelAls: z
    .strictObject({
      ...service,
      logName: z.string().optional().describe('Name of the log.'),
      logFormat: logFormat.describe('Format: text is the body, labels are attributes.'),
    })
    .optional()
    .describe('Access logs to an OpenTelemetry collector.'),
  datadog: z
    .strictObject({ ...service, maxTagLength: uint32.optional().describe('Longest path in a span, in bytes.') })
    .optional()
    .describe('Traces to a Datadog agent.'),
  skywalking: z
    .strictObject({ ...service, accessToken: z.string().optional().describe('Token that the collector asks for.') })
    .optional()
    .describe('Traces to SkyWalking.'),
  lightstep: z.unknown().optional().describe("No longer in Istio's API; accepted, without effect."),
  opencensus: z.unknown().optional().describe("No longer in Istio's API; accepted, without effect."),
  sds: z
    .strictObject({ name: z.string().optional().describe("Name of the service in Envoy's configuration."), ...service })
    .optional()
    .describe('A service of secrets, for credentialName sds://NAME.'),
});

export type ExtensionProvider = z.infer<typeof extensionProvider>;
