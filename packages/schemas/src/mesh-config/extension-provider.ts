import { z } from 'zod';
import { duration, portNumber, stringMap, uint32 } from '../fields.ts';

const service = { service: z.string(), port: portNumber };
const strings = z.array(z.string()).optional();

const requestBody = z
  .strictObject({
    maxRequestBytes: uint32.optional(),
    allowPartialMessage: z.boolean().optional(),
    packAsBytes: z.boolean().optional(),
  })
  .optional();

const header = z.strictObject({ name: z.string(), value: z.string().optional(), envName: z.string().optional() });
const headers = z.array(header).optional();
const httpService = z.strictObject({ path: z.string(), timeout: duration.optional(), headers });

const logFormat = z.strictObject({ text: z.string().optional(), labels: z.record(z.string(), z.unknown()).optional() }).optional();

/** One of MeshConfig's `extensionProviders`: a name and exactly one kind of provider. */
export const extensionProvider = z.strictObject({
  name: z.string(),
  prometheus: z.strictObject({}).optional(),
  stackdriver: z
    .strictObject({
      debug: z.boolean().optional(),
      maxNumberOfAttributes: z.unknown().optional(),
      maxNumberOfAnnotations: z.unknown().optional(),
      maxNumberOfMessageEvents: z.unknown().optional(),
      maxTagLength: uint32.optional(),
      logging: z.strictObject({ labels: stringMap.optional() }).optional(),
    })
    .optional(),
  zipkin: z
    .strictObject({
      ...service,
      maxTagLength: uint32.optional(),
      enable64bitTraceId: z.boolean().optional(),
      path: z.string().optional(),
      timeout: duration.optional(),
      headers,
      traceContextOption: z.enum(['USE_B3', 'USE_B3_WITH_W3C_PROPAGATION']).optional(),
    })
    .optional(),
  opentelemetry: z
    .strictObject({
      ...service,
      maxTagLength: uint32.optional(),
      http: httpService.optional(),
      grpc: z.strictObject({ timeout: duration.optional(), initialMetadata: headers }).optional(),
      resourceDetectors: z
        .strictObject({ environment: z.strictObject({}).optional(), dynatrace: z.strictObject({}).optional() })
        .optional(),
      serviceAttributeEnrichment: z.enum(['ISTIO_CANONICAL', 'OTEL_SEMANTIC_CONVENTIONS']).optional(),
      dynatraceSampler: z
        .strictObject({
          tenant: z.string(),
          clusterId: z.int(),
          rootSpansPerMinute: uint32.optional(),
          httpService: z.strictObject({ ...service, http: httpService }).optional(),
        })
        .optional(),
    })
    .optional(),
  envoyFileAccessLog: z.strictObject({ path: z.string().optional(), logFormat, omitEmptyValues: z.boolean().optional() }).optional(),
  envoyExtAuthzHttp: z
    .strictObject({
      ...service,
      timeout: duration.optional(),
      pathPrefix: z.string().optional(),
      failOpen: z.boolean().optional(),
      clearRouteCache: z.boolean().optional(),
      statusOnError: z.string().optional(),
      includeHeadersInCheck: strings,
      includeRequestHeadersInCheck: strings,
      includeAdditionalHeadersInCheck: stringMap.optional(),
      includeRequestBodyInCheck: requestBody,
      headersToUpstreamOnAllow: strings,
      headersToDownstreamOnDeny: strings,
      headersToDownstreamOnAllow: strings,
    })
    .optional(),
  envoyExtAuthzGrpc: z
    .strictObject({
      ...service,
      timeout: duration.optional(),
      failOpen: z.boolean().optional(),
      clearRouteCache: z.boolean().optional(),
      statusOnError: z.string().optional(),
      includeRequestBodyInCheck: requestBody,
    })
    .optional(),
  envoyHttpAls: z
    .strictObject({
      ...service,
      logName: z.string().optional(),
      filterStateObjectsToLog: strings,
      additionalRequestHeadersToLog: strings,
      additionalResponseHeadersToLog: strings,
      additionalResponseTrailersToLog: strings,
    })
    .optional(),
  envoyTcpAls: z.strictObject({ ...service, logName: z.string().optional(), filterStateObjectsToLog: strings }).optional(),
  envoyOtelAls: z.strictObject({ ...service, logName: z.string().optional(), logFormat }).optional(),
  datadog: z.strictObject({ ...service, maxTagLength: uint32.optional() }).optional(),
  skywalking: z.strictObject({ ...service, accessToken: z.string().optional() }).optional(),
  /** No longer in Istio's API; accepted and without effect. */
  lightstep: z.unknown().optional(),
  opencensus: z.unknown().optional(),
  sds: z.strictObject({ name: z.string().optional(), ...service }).optional(),
});

export type ExtensionProvider = z.infer<typeof extensionProvider>;
