import { z } from 'zod';
import { clientTls, connectionPool } from '../destination-rule/spec.ts';
import { duration, int32, stringMap } from '../fields.ts';
import { probe } from '../workload-group/spec.ts';
import { NO_EFFECT } from './proxy-http.ts';

/** Settings of Istio's that are read, so that a mistake in them is found, and of which few have an effect here. */

const text = z.string().optional();
const texts = z.array(z.string()).optional();
const selector = z.strictObject({
  matchLabels: stringMap.optional().describe('Labels, all of them.'),
  matchExpressions: z
    .array(
      z.strictObject({
        key: text.describe('Label.'),
        operator: text.describe('In, NotIn, Exists or DoesNotExist.'),
        values: texts.describe('Values, for In and NotIn.'),
      }),
    )
    .optional()
    .describe('Conditions on labels, all of them.'),
});
const visibility = z.enum(['VISIBILITY_UNSPECIFIED', 'NONE', 'NAMESPACE', 'PUBLIC']).optional();
const polled = z.strictObject({ pollDelay: duration.optional(), fallback: z.boolean().optional() }).optional();
const service = z.strictObject({
  address: text.describe('host:port of the service.'),
  tlsSettings: clientTls.optional().describe('TLS towards the service.'),
  tcpKeepalive: connectionPool.shape.tcp.unwrap().shape.tcpKeepalive,
});
const count = int32.optional();

/** Of `defaultConfig.tracing`: tracers that Telemetry objects have taken the place of. */
export const formerTracers = {
  openCensusAgent: z
    .strictObject({
      address: text,
      context: z.array(z.enum(['UNSPECIFIED', 'W3C_TRACE_CONTEXT', 'GRPC_BIN', 'CLOUD_TRACE_CONTEXT', 'B3'])).optional(),
    })
    .optional()
    .describe(NO_EFFECT),
  lightstep: z.strictObject({ address: text, accessToken: text }).optional().describe(NO_EFFECT),
  datadog: z.strictObject({ address: text }).optional().describe(NO_EFFECT),
  stackdriver: z
    .strictObject({
      debug: z.boolean().optional(),
      maxNumberOfAttributes: count,
      maxNumberOfAnnotations: count,
      maxNumberOfMessageEvents: count,
    })
    .optional()
    .describe(NO_EFFECT),
};

export const keptProxySettings = {
  readinessProbe: probe.optional().describe('How the agent finds out that the application of a virtual machine is healthy.'),
  image: z
    .strictObject({ imageType: text.describe('Variant of the image.') })
    .optional()
    .describe('Image of the proxy.'),
  envoyAccessLogService: service.optional().describe('Service that access logs are sent to, with enableEnvoyAccessLogService.'),
  envoyMetricsService: service.optional().describe(NO_EFFECT),
  envoyMetricsServiceAddress: text.describe(NO_EFFECT),
  proxyStatsMatcher: z
    .strictObject({
      inclusionPrefixes: texts.describe('What their names begin with.'),
      inclusionSuffixes: texts.describe('What their names end with.'),
      inclusionRegexps: texts.describe('Regular expressions that their names fit.'),
    })
    .optional()
    .describe('Statistics that the proxy shows beside the few that it always has.'),
  privateKeyProvider: z.strictObject({ cryptomb: polled, qat: polled }).optional().describe(NO_EFFECT),
  sds: z.strictObject({ enabled: z.boolean().optional(), k8sSaJwtPath: text }).optional().describe(NO_EFFECT),
  proxyBootstrapTemplatePath: text.describe(NO_EFFECT),
  discoveryRefreshDelay: duration.optional().describe(NO_EFFECT),
};

export const keptMeshSettings = {
  discoverySelectors: z.array(selector).optional().describe('Labels of the namespaces that the control plane looks at; none: all.'),
  configSources: z
    .array(
      z.strictObject({
        address: text,
        tlsSettings: clientTls.optional(),
        subscribedResources: z.array(z.enum(['SERVICE_REGISTRY'])).optional(),
      }),
    )
    .optional()
    .describe(NO_EFFECT),
  certificates: z
    .array(z.strictObject({ secretName: text, dnsNames: texts }))
    .optional()
    .describe(NO_EFFECT),
  ca: z
    .strictObject({
      address: text,
      tlsSettings: clientTls.optional(),
      requestTimeout: duration.optional(),
      istiodSide: z.boolean().optional(),
    })
    .optional()
    .describe(NO_EFFECT),
  serviceScopeConfigs: z
    .array(
      z.strictObject({
        namespaceSelector: selector.optional(),
        servicesSelector: selector.optional(),
        scope: z.enum(['LOCAL', 'GLOBAL']).optional(),
      }),
    )
    .optional()
    .describe(NO_EFFECT),
  serviceEntryVisibility: z
    .strictObject({
      defaultVisibility: visibility,
      applyToSidecars: z.boolean().optional(),
      policies: z
        .array(
          z.strictObject({
            matchingRules: z.array(z.strictObject({ namespaceSelector: selector.optional() })).optional(),
            visibility,
          }),
        )
        .optional(),
    })
    .optional()
    .describe(NO_EFFECT),
};
