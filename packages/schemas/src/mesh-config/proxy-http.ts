import { z } from 'zod';
import { duration, int32, uint32 } from '../fields.ts';

export const forwardClientCertDetails = z.enum([
  'UNDEFINED',
  'SANITIZE',
  'FORWARD_ONLY',
  'APPEND_FORWARD',
  'SANITIZE_SET',
  'ALWAYS_FORWARD_ONLY',
]);

const disabled = z.strictObject({ disabled: z.boolean().optional() }).optional();
const enabled = z.strictObject({ enabled: z.boolean().optional() }).optional();

/** Which headers of its own a proxy adds or takes away. */
export const proxyHeaders = z.strictObject({
  forwardedClientCert: forwardClientCertDetails.optional(),
  setCurrentClientCertDetails: z
    .strictObject({
      subject: z.boolean().optional(),
      cert: z.boolean().optional(),
      chain: z.boolean().optional(),
      dns: z.boolean().optional(),
      uri: z.boolean().optional(),
    })
    .optional(),
  requestId: disabled,
  server: z.strictObject({ disabled: z.boolean().optional(), value: z.string().optional() }).optional(),
  attemptCount: disabled,
  envoyDebugHeaders: disabled,
  metadataExchangeHeaders: z.strictObject({ mode: z.enum(['UNDEFINED', 'IN_MESH']).optional() }).optional(),
  preserveHttp1HeaderCase: z.boolean().optional(),
  xForwardedHost: enabled,
  xForwardedPort: enabled,
});

/** What stands in front of a gateway. */
export const gatewayTopology = z.strictObject({
  numTrustedProxies: uint32.optional(),
  forwardClientCertDetails: forwardClientCertDetails.optional(),
  proxyProtocol: z.strictObject({}).optional(),
});

/** Limits and timeouts of a proxy's own connections. */
export const connectionSettings = z.strictObject({
  profile: z.enum(['SIDECAR', 'EDGE']).optional(),
  listenerPerConnectionBufferLimitBytes: int32.optional(),
  clusterPerConnectionBufferLimitBytes: int32.optional(),
  httpIdleTimeout: duration.optional(),
  httpMaxConnectionDuration: duration.optional(),
  httpDrainTimeout: duration.optional(),
  httpRequestTimeout: duration.optional(),
  httpRequestHeadersTimeout: duration.optional(),
  httpStreamIdleTimeout: duration.optional(),
  httpMaxStreamDuration: duration.optional(),
  httpMaxConcurrentStreams: int32.optional(),
  http2InitialStreamWindowSize: int32.optional(),
  http2InitialConnectionWindowSize: int32.optional(),
  httpHeadersWithUnderscoresAction: z
    .enum([
      'HEADERS_WITH_UNDERSCORES_UNSPECIFIED',
      'HEADERS_WITH_UNDERSCORES_ALLOW',
      'HEADERS_WITH_UNDERSCORES_REJECT_REQUEST',
      'HEADERS_WITH_UNDERSCORES_DROP_HEADER',
    ])
    .optional(),
  httpMergeSlashes: z.boolean().optional(),
  httpPathWithEscapedSlashesAction: z
    .enum(['PATH_WITH_ESCAPED_SLASHES_UNSPECIFIED', 'KEEP_UNCHANGED', 'REJECT_REQUEST', 'UNESCAPE_AND_REDIRECT', 'UNESCAPE_AND_FORWARD'])
    .optional(),
  listenerConnectionLimit: int32.optional(),
  globalDownstreamConnectionLimit: int32.optional(),
});

export type ProxyHeadersConfig = z.infer<typeof proxyHeaders>;
export type ConnectionSettings = z.infer<typeof connectionSettings>;
