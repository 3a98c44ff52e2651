import { z } from 'zod';
import { duration, exportTo, int32, percent, portNumber, stringMap, stringMatch, uint32 } from '../fields.ts';

export const destination = z.strictObject({
  host: z.string(),
  subset: z.string().optional(),
  port: z.strictObject({ number: portNumber }).optional(),
});

const headerOperations = z.strictObject({ set: stringMap.optional(), add: stringMap.optional(), remove: z.array(z.string()).optional() });
const headers = z.strictObject({ request: headerOperations.optional(), response: headerOperations.optional() });
const percentage = z.strictObject({ value: percent.optional() });

const httpMatch = z.strictObject({
  name: z.string().optional(),
  uri: stringMatch.optional(),
  scheme: stringMatch.optional(),
  method: stringMatch.optional(),
  authority: stringMatch.optional(),
  headers: z.record(z.string(), stringMatch).optional(),
  withoutHeaders: z.record(z.string(), stringMatch).optional(),
  port: portNumber.optional(),
  sourceLabels: stringMap.optional(),
  gateways: z.array(z.string()).optional(),
  queryParams: z.record(z.string(), stringMatch).optional(),
  ignoreUriCase: z.boolean().optional(),
  sourceNamespace: z.string().optional(),
  statPrefix: z.string().optional(),
});

const httpRouteDestination = z.strictObject({ destination, weight: int32.optional(), headers: headers.optional() });

export const httpRetries = z.strictObject({
  attempts: int32.optional(),
  perTryTimeout: duration.optional(),
  retryOn: z.string().optional(),
  retryRemoteLocalities: z.boolean().optional(),
  retryIgnorePreviousHosts: z.boolean().optional(),
  backoff: duration.optional(),
});

const httpRoute = z.strictObject({
  name: z.string().optional(),
  match: z.array(httpMatch).optional(),
  route: z.array(httpRouteDestination).optional(),
  redirect: z
    .strictObject({
      uri: z.string().optional(),
      prefixRewrite: z.string().optional(),
      authority: z.string().optional(),
      port: portNumber.optional(),
      derivePort: z.enum(['FROM_PROTOCOL_DEFAULT', 'FROM_REQUEST_PORT']).optional(),
      scheme: z.string().optional(),
      redirectCode: uint32.optional(),
    })
    .optional(),
  directResponse: z
    .strictObject({ status: uint32, body: z.strictObject({ string: z.string().optional(), bytes: z.string().optional() }).optional() })
    .optional(),
  delegate: z.strictObject({ name: z.string(), namespace: z.string().optional() }).optional(),
  rewrite: z
    .strictObject({
      uri: z.string().optional(),
      authority: z.string().optional(),
      uriRegexRewrite: z.strictObject({ match: z.string(), rewrite: z.string() }).optional(),
    })
    .optional(),
  timeout: duration.optional(),
  retries: httpRetries.optional(),
  fault: z
    .strictObject({
      delay: z
        .strictObject({
          percent: int32.optional(),
          percentage: percentage.optional(),
          fixedDelay: duration.optional(),
          exponentialDelay: duration.optional(),
        })
        .optional(),
      abort: z
        .strictObject({
          httpStatus: int32.optional(),
          grpcStatus: z.string().optional(),
          http2Error: z.string().optional(),
          percentage: percentage.optional(),
        })
        .optional(),
    })
    .optional(),
  mirror: destination.optional(),
  mirrors: z.array(z.strictObject({ destination, percentage: percentage.optional() })).optional(),
  mirrorPercent: uint32.optional(),
  mirrorPercentage: percentage.optional(),
  corsPolicy: z
    .strictObject({
      allowOrigin: z.array(z.string()).optional(),
      allowOrigins: z.array(stringMatch).optional(),
      allowMethods: z.array(z.string()).optional(),
      allowHeaders: z.array(z.string()).optional(),
      exposeHeaders: z.array(z.string()).optional(),
      maxAge: duration.optional(),
      allowCredentials: z.boolean().optional(),
      unmatchedPreflights: z.enum(['UNSPECIFIED', 'FORWARD', 'IGNORE']).optional(),
    })
    .optional(),
  headers: headers.optional(),
});

const routeDestination = z.strictObject({ destination, weight: int32.optional() });

const tlsRoute = z.strictObject({
  match: z.array(
    z.strictObject({
      sniHosts: z.array(z.string()),
      destinationSubnets: z.array(z.string()).optional(),
      port: portNumber.optional(),
      sourceLabels: stringMap.optional(),
      gateways: z.array(z.string()).optional(),
      sourceNamespace: z.string().optional(),
    }),
  ),
  route: z.array(routeDestination).optional(),
});

const tcpRoute = z.strictObject({
  match: z
    .array(
      z.strictObject({
        destinationSubnets: z.array(z.string()).optional(),
        port: portNumber.optional(),
        sourceSubnet: z.string().optional(),
        sourceLabels: stringMap.optional(),
        gateways: z.array(z.string()).optional(),
        sourceNamespace: z.string().optional(),
      }),
    )
    .optional(),
  route: z.array(routeDestination).optional(),
});

export const virtualServiceSpec = z.strictObject({
  hosts: z.array(z.string()).optional(),
  gateways: z.array(z.string()).optional(),
  http: z.array(httpRoute).optional(),
  tls: z.array(tlsRoute).optional(),
  tcp: z.array(tcpRoute).optional(),
  exportTo,
});

export type VirtualServiceSpec = z.infer<typeof virtualServiceSpec>;
export type Destination = z.infer<typeof destination>;
export type HttpRoute = z.infer<typeof httpRoute>;
export type HttpMatch = z.infer<typeof httpMatch>;
export type HttpRouteDestination = z.infer<typeof httpRouteDestination>;
export type HeaderOperations = z.infer<typeof headerOperations>;
export type RouteHeaders = z.infer<typeof headers>;
export type TlsRoute = z.infer<typeof tlsRoute>;
export type TcpRoute = z.infer<typeof tcpRoute>;
export type RouteDestination = z.infer<typeof routeDestination>;
