import { z } from 'zod';
import { duration, int32, uint32 } from '../fields.ts';

/** Description of fields that are taken and not executed. */
export const NO_EFFECT = 'Accepted and kept, without effect.';

export const forwardClientCertDetails = z.enum([
  'UNDEFINED',
  'SANITIZE',
  'FORWARD_ONLY',
  'APPEND_FORWARD',
  'SANITIZE_SET',
  'ALWAYS_FORWARD_ONLY',
]);

const disabled = z.strictObject({ disabled: z.boolean().optional().describe('Leave the header out.') }).optional();
const enabled = z.strictObject({ enabled: z.boolean().optional().describe('Add the header.') }).optional();

/** Which headers of its own a proxy adds or takes away. */
export const proxyHeaders = z.strictObject({
  forwardedClientCert: forwardClientCertDetails.optional().describe('What happens to header X-Forwarded-Client-Cert.'),
  setCurrentClientCertDetails: z
    .strictObject({
      subject: z.boolean().optional().describe("Subject of the caller's certificate."),
      cert: z.boolean().optional().describe("The caller's certificate."),
      chain: z.boolean().optional().describe("The caller's certificate with its chain."),
      dns: z.boolean().optional().describe("DNS names of the caller's certificate."),
      uri: z.boolean().optional().describe("URIs of the caller's certificate: its identity."),
    })
    .optional()
    .describe('What X-Forwarded-Client-Cert tells of the caller.'),
  requestId: disabled.describe('Header X-Request-Id.'),
  server: z
    .strictObject({
      disabled: z.boolean().optional().describe("Leave the application's header as it is."),
      value: z.string().optional().describe('Value of the header; default istio-envoy.'),
    })
    .optional()
    .describe('Header Server.'),
  attemptCount: disabled.describe('Header X-Envoy-Attempt-Count.'),
  envoyDebugHeaders: disabled.describe('Headers such as X-Envoy-Upstream-Service-Time.'),
  metadataExchangeHeaders: z
    .strictObject({ mode: z.enum(['UNDEFINED', 'IN_MESH']).optional().describe('IN_MESH: not to the outside.') })
    .optional()
    .describe('Headers by which proxies tell each other of their workloads.'),
  preserveHttp1HeaderCase: z.boolean().optional().describe('Keep the case of HTTP/1.1 headers.'),
  xForwardedHost: enabled.describe('Header X-Forwarded-Host.'),
  xForwardedPort: enabled.describe('Header X-Forwarded-Port.'),
});

/** What stands in front of a gateway. */
export const gatewayTopology = z.strictObject({
  numTrustedProxies: uint32.optional().describe('Proxies in front of the gateway whose X-Forwarded-For is trusted.'),
  forwardClientCertDetails: forwardClientCertDetails.optional().describe('What happens to header X-Forwarded-Client-Cert.'),
  proxyProtocol: z.strictObject({}).optional().describe('Expect the PROXY protocol.'),
});

/** Limits and timeouts of a proxy's own connections. */
export const connectionSettings = z.strictObject({
  profile: z.enum(['SIDECAR', 'EDGE']).optional().describe('Defaults: SIDECAR, or EDGE for what faces the internet.'),
  listenerPerConnectionBufferLimitBytes: int32.optional().describe("Bytes that are buffered for a caller's connection."),
  clusterPerConnectionBufferLimitBytes: int32.optional().describe(NO_EFFECT),
  httpIdleTimeout: duration.optional().describe('Idle time after which a connection is closed.'),
  httpMaxConnectionDuration: duration.optional().describe('Age at which a connection is closed.'),
  httpDrainTimeout: duration.optional().describe('How long a connection that is to close may finish.'),
  httpRequestTimeout: duration.optional().describe('Time limit for receiving a whole request.'),
  httpRequestHeadersTimeout: duration.optional().describe("Time limit for receiving a request's headers."),
  httpStreamIdleTimeout: duration.optional().describe('Idle time after which a request is ended.'),
  httpMaxStreamDuration: duration.optional().describe('Longest time of a request.'),
  httpMaxConcurrentStreams: int32.optional().describe('Most requests at a time on one HTTP/2 connection.'),
  http2InitialStreamWindowSize: int32.optional().describe('Window of each HTTP/2 stream in bytes, at least 65535.'),
  http2InitialConnectionWindowSize: int32.optional().describe('Window of each HTTP/2 connection in bytes, at least 65535.'),
  httpHeadersWithUnderscoresAction: z
    .enum([
      'HEADERS_WITH_UNDERSCORES_UNSPECIFIED',
      'HEADERS_WITH_UNDERSCORES_ALLOW',
      'HEADERS_WITH_UNDERSCORES_REJECT_REQUEST',
      'HEADERS_WITH_UNDERSCORES_DROP_HEADER',
    ])
    .optional()
    .describe('What happens to headers with underscores.'),
  httpMergeSlashes: z.boolean().optional().describe('Take several slashes of a path for one.'),
  httpPathWithEscapedSlashesAction: z
    .enum(['PATH_WITH_ESCAPED_SLASHES_UNSPECIFIED', 'KEEP_UNCHANGED', 'REJECT_REQUEST', 'UNESCAPE_AND_REDIRECT', 'UNESCAPE_AND_FORWARD'])
    .optional()
    .describe('What happens to paths with escaped slashes.'),
  listenerConnectionLimit: int32.optional().describe(NO_EFFECT),
  globalDownstreamConnectionLimit: int32.optional().describe(NO_EFFECT),
});

export type ProxyHeadersConfig = z.infer<typeof proxyHeaders>;
export type ConnectionSettings = z.infer<typeof connectionSettings>;
