import { z } from 'zod';
import { portNumber } from '../fields.ts';

/** Shapes of `gateway.networking.k8s.io`, standard channel 1.4: what its CRDs let through. Source: gateway-api.sigs.k8s.io/reference/spec. */
const name = z.string().min(1).max(253);
const group = z.string().max(253);
const kind = z.string().min(1).max(63);
const namespace = z.string().min(1).max(63);
const strings = z.record(z.string(), z.string());
const hostnames = z.array(z.string().min(1).max(253)).max(16).optional();
/** Of Gateway API's own duration format (GEP-2257), not Go's. */
const duration = z
  .string()
  .regex(/^([0-9]{1,5}(h|m|s|ms)){1,4}$/, 'is not a duration of the Gateway API: write up to four of h, m, s and ms');
const header = z.strictObject({ name: z.string().min(1).max(256), value: z.string().min(1).max(4096) });
const localReference = z.strictObject({ group, kind, name });
const objectReference = z.strictObject({ group: group.optional(), kind: kind.optional(), name, namespace: namespace.optional() });
const selector = z.looseObject({ matchLabels: strings.optional() });

const parentRefs = z
  .array(objectReference.extend({ sectionName: z.string().max(253).optional(), port: portNumber.optional() }))
  .max(32)
  .optional();
const backend = objectReference.extend({ port: portNumber.optional(), weight: z.int().min(0).max(1_000_000).optional() });
const fraction = z.strictObject({ numerator: z.int().min(0), denominator: z.int().min(1).optional() });

const headerModifier = z.strictObject({
  set: z.array(header).max(16).optional(),
  add: z.array(header).max(16).optional(),
  remove: z.array(z.string()).max(16).optional(),
});
const pathModifier = z.strictObject({
  type: z.enum(['ReplaceFullPath', 'ReplacePrefixMatch']),
  replaceFullPath: z.string().max(1024).optional(),
  replacePrefixMatch: z.string().max(1024).optional(),
});
const mirror = z.strictObject({ backendRef: backend, percent: z.int().min(0).max(100).optional(), fraction: fraction.optional() });
const httpFilter = z.strictObject({
  type: z.enum([
    'RequestHeaderModifier',
    'ResponseHeaderModifier',
    'RequestMirror',
    'RequestRedirect',
    'URLRewrite',
    'ExtensionRef',
    'CORS',
    'ExternalAuth',
  ]),
  requestHeaderModifier: headerModifier.optional(),
  responseHeaderModifier: headerModifier.optional(),
  requestMirror: mirror.optional(),
  requestRedirect: z
    .strictObject({
      scheme: z.enum(['http', 'https']).optional(),
      hostname: z.string().optional(),
      path: pathModifier.optional(),
      port: portNumber.optional(),
      statusCode: z.union([z.literal(301), z.literal(302), z.literal(303), z.literal(307), z.literal(308)]).optional(),
    })
    .optional(),
  urlRewrite: z.strictObject({ hostname: z.string().optional(), path: pathModifier.optional() }).optional(),
  extensionRef: localReference.optional(),
  cors: z.looseObject({}).optional(),
  externalAuth: z.looseObject({}).optional(),
});
const exactOrRegex = z.enum(['Exact', 'RegularExpression']).optional();
const headerMatch = z.strictObject({ type: exactOrRegex, name: z.string().min(1).max(256), value: z.string().min(1).max(4096) });
const httpMatch = z.strictObject({
  path: z
    .strictObject({ type: z.enum(['Exact', 'PathPrefix', 'RegularExpression']).optional(), value: z.string().max(1024).optional() })
    .optional(),
  headers: z.array(headerMatch).max(16).optional(),
  queryParams: z.array(headerMatch).max(16).optional(),
  method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH']).optional(),
});
const sessionPersistence = z.looseObject({}).optional();

export const httpRoute = z.strictObject({
  parentRefs,
  useDefaultGateways: z.string().optional(),
  hostnames,
  rules: z
    .array(
      z.strictObject({
        name: z.string().optional(),
        matches: z.array(httpMatch).max(64).optional(),
        filters: z.array(httpFilter).max(16).optional(),
        backendRefs: z
          .array(backend.extend({ filters: z.array(httpFilter).max(16).optional() }))
          .max(16)
          .optional(),
        timeouts: z.strictObject({ request: duration.optional(), backendRequest: duration.optional() }).optional(),
        retry: z.looseObject({}).optional(),
        sessionPersistence,
      }),
    )
    .max(16)
    .optional(),
});

const grpcFilter = z.strictObject({
  type: z.enum(['RequestHeaderModifier', 'ResponseHeaderModifier', 'RequestMirror', 'ExtensionRef']),
  requestHeaderModifier: headerModifier.optional(),
  responseHeaderModifier: headerModifier.optional(),
  requestMirror: mirror.optional(),
  extensionRef: localReference.optional(),
});

export const grpcRoute = z.strictObject({
  parentRefs,
  useDefaultGateways: z.string().optional(),
  hostnames,
  rules: z
    .array(
      z.strictObject({
        name: z.string().optional(),
        matches: z
          .array(
            z.strictObject({
              method: z
                .strictObject({ type: exactOrRegex, service: z.string().max(1024).optional(), method: z.string().max(1024).optional() })
                .optional(),
              headers: z.array(headerMatch).max(16).optional(),
            }),
          )
          .max(64)
          .optional(),
        filters: z.array(grpcFilter).max(16).optional(),
        backendRefs: z
          .array(backend.extend({ filters: z.array(grpcFilter).max(16).optional() }))
          .max(16)
          .optional(),
        sessionPersistence,
      }),
    )
    .max(16)
    .optional(),
});

/** TCPRoute, TLSRoute and UDPRoute. */
export const streamRoute = z.strictObject({
  parentRefs,
  useDefaultGateways: z.string().optional(),
  hostnames,
  rules: z
    .array(z.strictObject({ name: z.string().optional(), backendRefs: z.array(backend).min(1).max(16) }))
    .min(1)
    .max(16),
});

const listener = z.strictObject({
  name,
  hostname: z.string().min(1).max(253).optional(),
  port: portNumber,
  protocol: z.string().min(1).max(255),
  tls: z
    .strictObject({
      mode: z.enum(['Terminate', 'Passthrough']).optional(),
      certificateRefs: z.array(objectReference).max(64).optional(),
      frontendValidation: z.looseObject({}).optional(),
      options: strings.optional(),
    })
    .optional(),
  allowedRoutes: z
    .strictObject({
      namespaces: z
        .strictObject({ from: z.enum(['All', 'Selector', 'Same', 'None']).optional(), selector: selector.optional() })
        .optional(),
      kinds: z
        .array(z.strictObject({ group: group.optional(), kind }))
        .max(8)
        .optional(),
    })
    .optional(),
});

export const kubernetesGateway = z.strictObject({
  gatewayClassName: z.string().min(1).max(253),
  listeners: z.array(listener).min(1).max(64),
  addresses: z
    .array(z.strictObject({ type: z.string().optional(), value: z.string().optional() }))
    .max(16)
    .optional(),
  infrastructure: z
    .strictObject({ labels: strings.optional(), annotations: strings.optional(), parametersRef: localReference.optional() })
    .optional(),
  allowedListeners: z.looseObject({}).optional(),
  tls: z.looseObject({}).optional(),
  defaultScope: z.string().optional(),
});

export const gatewayClass = z.strictObject({
  controllerName: z
    .string()
    .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?\/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/, 'is not of the form example.net/name'),
  parametersRef: z.strictObject({ group, kind, name, namespace: namespace.optional() }).optional(),
  description: z.string().max(64).optional(),
});

export const referenceGrant = z.strictObject({
  from: z.array(z.strictObject({ group, kind, namespace })).min(1).max(16),
  to: z
    .array(z.strictObject({ group, kind, name: name.optional() }))
    .min(1)
    .max(16),
});
