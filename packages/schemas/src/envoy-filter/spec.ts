import { z } from 'zod';
import { int32, labelSelector, portNumber, stringMap, targetReference } from '../fields.ts';

const struct = z.record(z.string(), z.unknown());

const listenerMatch = z.strictObject({
  portNumber: portNumber.optional(),
  portName: z.string().optional(),
  name: z.string().optional(),
  listenerFilter: z.string().optional(),
  filterChain: z
    .strictObject({
      name: z.string().optional(),
      sni: z.string().optional(),
      transportProtocol: z.string().optional(),
      applicationProtocols: z.string().optional(),
      destinationPort: portNumber.optional(),
      filter: z
        .strictObject({ name: z.string().optional(), subFilter: z.strictObject({ name: z.string().optional() }).optional() })
        .optional(),
    })
    .optional(),
});

const routeConfigurationMatch = z.strictObject({
  portNumber: portNumber.optional(),
  portName: z.string().optional(),
  gateway: z.string().optional(),
  name: z.string().optional(),
  vhost: z
    .strictObject({
      name: z.string().optional(),
      domainName: z.string().optional(),
      route: z
        .strictObject({ name: z.string().optional(), action: z.enum(['ANY', 'ROUTE', 'REDIRECT', 'DIRECT_RESPONSE']).optional() })
        .optional(),
    })
    .optional(),
});

const clusterMatch = z.strictObject({
  portNumber: portNumber.optional(),
  service: z.string().optional(),
  subset: z.string().optional(),
  name: z.string().optional(),
});

const configPatch = z.strictObject({
  applyTo: z.enum([
    'INVALID',
    'LISTENER',
    'FILTER_CHAIN',
    'NETWORK_FILTER',
    'HTTP_FILTER',
    'ROUTE_CONFIGURATION',
    'VIRTUAL_HOST',
    'HTTP_ROUTE',
    'CLUSTER',
    'EXTENSION_CONFIG',
    'BOOTSTRAP',
    'LISTENER_FILTER',
  ]),
  match: z
    .strictObject({
      context: z.enum(['ANY', 'SIDECAR_INBOUND', 'SIDECAR_OUTBOUND', 'GATEWAY', 'WAYPOINT']).optional(),
      proxy: z.strictObject({ proxyVersion: z.string().optional(), metadata: stringMap.optional() }).optional(),
      listener: listenerMatch.optional(),
      routeConfiguration: routeConfigurationMatch.optional(),
      cluster: clusterMatch.optional(),
    })
    .optional(),
  patch: z
    .strictObject({
      operation: z
        .enum(['INVALID', 'MERGE', 'ADD', 'REMOVE', 'INSERT_BEFORE', 'INSERT_AFTER', 'INSERT_FIRST', 'REPLACE', 'MERGE_AND_REPLACE_LIST'])
        .optional(),
      value: struct.optional(),
      filterClass: z.enum(['UNSPECIFIED', 'AUTHN', 'AUTHZ', 'STATS']).optional(),
    })
    .optional(),
});

export const envoyFilterSpec = z.strictObject({
  workloadSelector: labelSelector.optional(),
  targetRefs: z.array(targetReference).optional(),
  configPatches: z.array(configPatch).optional(),
  priority: int32.optional(),
});

export type EnvoyFilterSpec = z.infer<typeof envoyFilterSpec>;
export type EnvoyFilterPatch = z.infer<typeof configPatch>;
