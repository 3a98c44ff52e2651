import { z } from 'zod';
import { duration, exportTo, int32, percent, portNumber, stringMap, stringMatch, uint32 } from '../fields.ts';

export const destination = z.strictObject({
  host: z
    .string()
    .describe(
      "Service that is called: a host of the registry, such as reviews or reviews.shop.svc.cluster.local. Short names are completed with this object's namespace.",
    ),
  subset: z.string().optional().describe('Subset of the host, as a DestinationRule names it.'),
  port: z
    .strictObject({ number: portNumber.describe('Port number, 1 to 65535.') })
    .optional()
    .describe('Port of the service; needed where it has several.'),
});

const headerOperations = z.strictObject({
  set: stringMap.optional().describe('Headers to overwrite, or to add where they are missing.'),
  add: stringMap.optional().describe('Headers to append values to.'),
  remove: z.array(z.string()).optional().describe('Names of headers to take away.'),
});
const headers = z.strictObject({
  request: headerOperations.optional().describe('Changes of the request before it is sent on.'),
  response: headerOperations.optional().describe('Changes of the response before it is returned.'),
});
const percentage = z.strictObject({ value: percent.optional().describe('Percentage, 0 to 100; fractions such as 0.1 are possible.') });

const httpMatch = z.strictObject({
  name: z.string().optional().describe('Name of the match, for logs and statistics.'),
  uri: stringMatch.optional().describe('Path of the request, matched with case unless ignoreUriCase is set.'),
  scheme: stringMatch.optional().describe('Scheme of the request: http or https.'),
  method: stringMatch.optional().describe('Method of the request, such as GET.'),
  authority: stringMatch.optional().describe('Host header of the request.'),
  headers: z
    .record(z.string(), stringMatch)
    .optional()
    .describe('Headers by lower-case name; an empty match asks only that the header is there.'),
  withoutHeaders: z.record(z.string(), stringMatch).optional().describe('Headers by lower-case name that must not match.'),
  port: portNumber.optional().describe('Port that the request was sent to.'),
  sourceLabels: stringMap.optional().describe('Labels of the calling pod; sidecars only.'),
  gateways: z
    .array(z.string())
    .optional()
    .describe('Gateways that the match is for, instead of those of the whole object; mesh stands for all sidecars.'),
  queryParams: z
    .record(z.string(), stringMatch)
    .optional()
    .describe('Query parameters by name; an empty match asks only that the parameter is there.'),
  ignoreUriCase: z.boolean().optional().describe('Compare uri without regard to case; exact and prefix only.'),
  sourceNamespace: z.string().optional().describe('Namespace of the calling pod; sidecars only.'),
  statPrefix: z.string().optional().describe('Name under which requests of this match are counted.'),
});

const httpRouteDestination = z.strictObject({
  destination: destination.describe('Where requests go.'),
  weight: int32.optional().describe('Share of the requests, relative to the other destinations of the route; 0 to leave it out of use.'),
  headers: headers.optional().describe('Changes of headers for this destination alone.'),
});

export const httpRetries = z.strictObject({
  attempts: int32.optional().describe('How often a failed request is tried again; 0 switches retries off.'),
  perTryTimeout: duration.optional().describe("Time limit of each attempt, such as 2s; the route's timeout holds for all together."),
  retryOn: z
    .string()
    .optional()
    .describe('Comma-separated conditions and status codes that are tried again, such as connect-failure,refused-stream,503.'),
  retryRemoteLocalities: z.boolean().optional().describe('Try endpoints of other localities as well.'),
  retryIgnorePreviousHosts: z.boolean().optional().describe('Leave out hosts that have failed this request before; true by default.'),
  backoff: duration.optional().describe('Least time between attempts; it grows with each of them. Default: 25ms.'),
});

const httpRoute = z.strictObject({
  name: z.string().optional().describe('Name of the route, for logs and xebec explain.'),
  match: z.array(httpMatch).optional().describe('The route is taken if any of these matches; none: always.'),
  route: z.array(httpRouteDestination).optional().describe('Destinations; several share the requests by weight.'),
  redirect: z
    .strictObject({
      uri: z.string().optional().describe('Path to redirect to, in place of the whole path.'),
      prefixRewrite: z.string().optional().describe('What takes the place of the matched prefix of the path.'),
      authority: z.string().optional().describe('Host to redirect to.'),
      port: portNumber.optional().describe('Port to redirect to.'),
      derivePort: z
        .enum(['FROM_PROTOCOL_DEFAULT', 'FROM_REQUEST_PORT'])
        .optional()
        .describe("Port to redirect to: the usual one of the scheme, or the request's."),
      scheme: z.string().optional().describe('Scheme to redirect to: http or https.'),
      redirectCode: uint32.optional().describe('Status code of the answer, 300 to 399. Default: 301.'),
    })
    .optional()
    .describe('Answer with a redirect instead of calling a destination.'),
  directResponse: z
    .strictObject({
      status: uint32.describe('Status code of the answer, 100 to 599.'),
      body: z
        .strictObject({
          string: z.string().optional().describe('Content as text.'),
          bytes: z.string().optional().describe('Content as base64.'),
        })
        .optional()
        .describe('Content of the answer.'),
    })
    .optional()
    .describe('Answer from the proxy itself instead of calling a destination.'),
  delegate: z
    .strictObject({
      name: z.string().describe('Name of the VirtualService.'),
      namespace: z.string().optional().describe("Namespace of the VirtualService; default: this object's."),
    })
    .optional()
    .describe('Another VirtualService, without hosts, whose routes stand in for this one.'),
  rewrite: z
    .strictObject({
      uri: z.string().optional().describe('What takes the place of the matched prefix or path.'),
      authority: z.string().optional().describe('New Host header.'),
      uriRegexRewrite: z
        .strictObject({
          match: z.string().describe('RE2 regular expression of what is replaced.'),
          rewrite: z.string().describe('Replacement; \\1 stands for the first group.'),
        })
        .optional()
        .describe('Rewriting of the path by regular expression.'),
    })
    .optional()
    .describe('Changes of path and host before the request is sent on.'),
  timeout: duration.optional().describe('Time limit of the request with all retries, such as 10s; 0s or none: no limit.'),
  retries: httpRetries.optional().describe('When and how often failed requests are tried again.'),
  fault: z
    .strictObject({
      delay: z
        .strictObject({
          percent: int32.optional().describe('Deprecated: whole percentage of the requests; write percentage.'),
          percentage: percentage.optional().describe('Share of the requests; default: all.'),
          fixedDelay: duration.optional().describe('How long requests are held, at least 1ms.'),
          exponentialDelay: duration.optional().describe('Not supported; write fixedDelay.'),
        })
        .optional()
        .describe('Delay before the request is sent on.'),
      abort: z
        .strictObject({
          httpStatus: int32.optional().describe('Status code of the answer, 200 to 599.'),
          grpcStatus: z.string().optional().describe('gRPC status of the answer, such as UNAVAILABLE.'),
          http2Error: z.string().optional().describe('Not supported; write httpStatus or grpcStatus.'),
          percentage: percentage.optional().describe('Share of the requests; default: all.'),
        })
        .optional()
        .describe('Failure in place of a call.'),
    })
    .optional()
    .describe('Delays and failures put in on purpose, to try out how callers cope.'),
  mirror: destination.optional().describe('Destination that gets a copy of each request; its answers are dropped.'),
  mirrors: z
    .array(
      z.strictObject({
        destination: destination.describe('Where the copies go.'),
        percentage: percentage.optional().describe('Share of the requests that is copied; default: all.'),
      }),
    )
    .optional()
    .describe('Destinations that get copies of requests; their answers are dropped.'),
  mirrorPercent: uint32.optional().describe('Deprecated: whole percentage for mirror; write mirrorPercentage.'),
  mirrorPercentage: percentage.optional().describe('Share of the requests that mirror gets; default: all.'),
  corsPolicy: z
    .strictObject({
      allowOrigin: z.array(z.string()).optional().describe('Deprecated: origins in full; write allowOrigins.'),
      allowOrigins: z.array(stringMatch).optional().describe('Origins that may call.'),
      allowMethods: z.array(z.string()).optional().describe('Methods for Access-Control-Allow-Methods.'),
      allowHeaders: z.array(z.string()).optional().describe('Headers for Access-Control-Allow-Headers.'),
      exposeHeaders: z.array(z.string()).optional().describe('Headers for Access-Control-Expose-Headers.'),
      maxAge: duration.optional().describe('How long browsers keep the answer to a preflight request, in whole seconds.'),
      allowCredentials: z.boolean().optional().describe('Whether callers may send credentials.'),
      unmatchedPreflights: z
        .enum(['UNSPECIFIED', 'FORWARD', 'IGNORE'])
        .optional()
        .describe('Preflight requests of other origins: FORWARD sends them on, IGNORE answers them without CORS headers.'),
    })
    .optional()
    .describe('Cross-origin resource sharing, answered by the proxy.'),
  headers: headers.optional().describe('Changes of headers for all destinations of the route.'),
});

const routeDestination = z.strictObject({
  destination: destination.describe('Where connections go.'),
  weight: int32.optional().describe('Share of the connections, relative to the other destinations of the route.'),
});

const tlsRoute = z.strictObject({
  match: z
    .array(
      z.strictObject({
        sniHosts: z
          .array(z.string())
          .describe('Server names of the TLS handshake, such as db.example.com or *.example.com; each must be covered by hosts.'),
        destinationSubnets: z.array(z.string()).optional().describe('Addresses that the connection was made to, such as 10.0.0.0/8.'),
        port: portNumber.optional().describe('Port that the connection was made to.'),
        sourceLabels: stringMap.optional().describe('Labels of the calling pod; sidecars only.'),
        gateways: z.array(z.string()).optional().describe('Gateways that the match is for; mesh stands for all sidecars.'),
        sourceNamespace: z.string().optional().describe('Namespace of the calling pod; sidecars only.'),
      }),
    )
    .describe('The route is taken if any of these matches.'),
  route: z.array(routeDestination).optional().describe('Destinations; several share the connections by weight.'),
});

const tcpRoute = z.strictObject({
  match: z
    .array(
      z.strictObject({
        destinationSubnets: z.array(z.string()).optional().describe('Addresses that the connection was made to, such as 10.0.0.0/8.'),
        port: portNumber.optional().describe('Port that the connection was made to.'),
        sourceSubnet: z.string().optional().describe('Addresses that the connection comes from.'),
        sourceLabels: stringMap.optional().describe('Labels of the calling pod; sidecars only.'),
        gateways: z.array(z.string()).optional().describe('Gateways that the match is for; mesh stands for all sidecars.'),
        sourceNamespace: z.string().optional().describe('Namespace of the calling pod; sidecars only.'),
      }),
    )
    .optional()
    .describe('The route is taken if any of these matches; none: always.'),
  route: z.array(routeDestination).optional().describe('Destinations; several share the connections by weight.'),
});

export const virtualServiceSpec = z
  .strictObject({
    hosts: z
      .array(z.string())
      .optional()
      .describe(
        'Hosts that callers ask for, such as reviews, www.example.com or *.example.com. Without any the object is a delegate of others.',
      ),
    gateways: z
      .array(z.string())
      .optional()
      .describe('Gateways, as name or namespace/name, that the routes are for; mesh stands for all sidecars, and is the default.'),
    http: z.array(httpRoute).optional().describe('Routes of HTTP requests; the first that matches is taken.'),
    tls: z.array(tlsRoute).optional().describe('Routes of TLS connections that are passed on unopened; the first that matches is taken.'),
    tcp: z.array(tcpRoute).optional().describe('Routes of TCP connections; the first that matches is taken.'),
    exportTo: exportTo.describe('Namespaces that see the object: . is its own, * all; default: all.'),
  })
  .describe('Where calls to a host go: routes by path, header, port and more, with retries, timeouts, faults and rewrites.');

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
