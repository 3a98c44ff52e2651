import { z } from 'zod';
import { int32, labelSelector, portNumber, stringMap, targetReference } from '../fields.ts';

const struct = z.record(z.string(), z.unknown());

const listenerMatch = z.strictObject({
  portNumber: portNumber.optional().describe('Port of the listener.'),
  portName: z.string().optional().describe('Not supported.'),
  name: z.string().optional().describe('Name of the listener, such as 0.0.0.0_8080 or virtualInbound.'),
  listenerFilter: z.string().optional().describe('Name of the listener filter, for LISTENER_FILTER.'),
  filterChain: z
    .strictObject({
      name: z.string().optional().describe('Name of the filter chain.'),
      sni: z.string().optional().describe('Server name that the chain is for.'),
      transportProtocol: z.string().optional().describe('Transport protocol of the chain: tls or raw_buffer.'),
      transportSocket: z.string().optional().describe('Name of the transport socket of the chain.'),
      applicationProtocols: z.string().optional().describe('Application protocols (ALPN) of the chain, comma-separated.'),
      destinationPort: portNumber.optional().describe('Destination port of the chain.'),
      filter: z
        .strictObject({
          name: z.string().optional().describe('Name of the filter, such as envoy.filters.network.http_connection_manager.'),
          subFilter: z
            .strictObject({ name: z.string().optional().describe('Name of the filter, such as envoy.filters.http.router.') })
            .optional()
            .describe('HTTP filter in the connection manager.'),
        })
        .optional()
        .describe('Network filter in the chain.'),
    })
    .optional()
    .describe('Filter chain of the listener.'),
});

const routeConfigurationMatch = z.strictObject({
  portNumber: portNumber.optional().describe('Port of the service or gateway.'),
  portName: z.string().optional().describe("Name of the gateway's port."),
  gateway: z.string().optional().describe('Gateway, as namespace/name.'),
  name: z.string().optional().describe('Name of the route configuration, such as http.8080.'),
  vhost: z
    .strictObject({
      name: z.string().optional().describe('Name of the virtual host, such as reviews.shop.svc.cluster.local:9080.'),
      domainName: z.string().optional().describe('Domain of the virtual host.'),
      route: z
        .strictObject({
          name: z.string().optional().describe('Name of the route.'),
          action: z.enum(['ANY', 'ROUTE', 'REDIRECT', 'DIRECT_RESPONSE']).optional().describe('What the route does.'),
        })
        .optional()
        .describe('Route of the virtual host.'),
    })
    .optional()
    .describe('Virtual host of the route configuration.'),
});

const clusterMatch = z.strictObject({
  portNumber: portNumber.optional().describe('Port of the service.'),
  service: z.string().optional().describe('Host of the service.'),
  subset: z.string().optional().describe('Subset of the service.'),
  name: z.string().optional().describe('Name of the cluster, such as outbound|9080||reviews.shop.svc.cluster.local.'),
});

const waypointMatch = z.strictObject({
  portNumber: portNumber.optional().describe('Port of the service.'),
  filter: z
    .strictObject({
      name: z.string().optional().describe('Name of the filter.'),
      subFilter: z
        .strictObject({ name: z.string().optional().describe('Name of the filter.') })
        .optional()
        .describe('Filter below that one.'),
    })
    .optional()
    .describe('Filter of the waypoint.'),
  route: z
    .strictObject({ name: z.string().optional().describe('Name of the route.') })
    .optional()
    .describe('Route of the waypoint.'),
});

const configPatch = z.strictObject({
  applyTo: z
    .enum([
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
    ])
    .describe('What is patched.'),
  match: z
    .strictObject({
      context: z
        .enum(['ANY', 'SIDECAR_INBOUND', 'SIDECAR_OUTBOUND', 'GATEWAY', 'WAYPOINT'])
        .optional()
        .describe('Inbound or outbound side of sidecars, gateways or waypoints; default: all.'),
      proxy: z
        .strictObject({
          proxyVersion: z.string().optional().describe("Regular expression that the proxy's version fits."),
          metadata: stringMap.optional().describe('Metadata that the proxy has.'),
        })
        .optional()
        .describe('Which proxies.'),
      listener: listenerMatch.optional().describe('Which listeners, filter chains and filters.'),
      routeConfiguration: routeConfigurationMatch.optional().describe('Which route configurations, virtual hosts and routes.'),
      waypoint: waypointMatch.optional().describe('Which parts of waypoints; this mesh has none.'),
      cluster: clusterMatch.optional().describe('Which clusters.'),
    })
    .optional()
    .describe('Where it is patched; none: everywhere.'),
  patch: z
    .strictObject({
      operation: z
        .enum(['INVALID', 'MERGE', 'ADD', 'REMOVE', 'INSERT_BEFORE', 'INSERT_AFTER', 'INSERT_FIRST', 'REPLACE', 'MERGE_AND_REPLACE_LIST'])
        .optional()
        .describe('How the value is put in.'),
      value: struct.optional().describe('Envoy configuration of the type that applyTo names.'),
      filterClass: z
        .enum(['UNSPECIFIED', 'AUTHN', 'AUTHZ', 'STATS'])
        .optional()
        .describe('Where a filter is put: before or after those of the mesh of that class.'),
    })
    .optional()
    .describe('What is done.'),
});

export const envoyFilterSpec = z
  .strictObject({
    workloadSelector: labelSelector
      .optional()
      .describe('Pods that it is for; none: all of the namespace, or of the mesh from the root namespace.'),
    targetRefs: z.array(targetReference).optional().describe('Gateways or services that it is for, in place of a selector.'),
    configPatches: z.array(configPatch).optional().describe('Changes, in this order.'),
    priority: int32.optional().describe('Order among EnvoyFilters: lower is earlier; default 0.'),
  })
  .describe(
    'Changes of the Envoy configuration that the mesh generates. The last resort: nothing else keeps it fitting from release to release.',
  );

export type EnvoyFilterSpec = z.infer<typeof envoyFilterSpec>;
export type EnvoyFilterPatch = z.infer<typeof configPatch>;
