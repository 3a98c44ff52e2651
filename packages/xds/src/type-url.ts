/** The v3 resource types that Envoy's ADS carries. */
export const CLUSTER_TYPE = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
export const ENDPOINT_TYPE = 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment';
export const LISTENER_TYPE = 'type.googleapis.com/envoy.config.listener.v3.Listener';
export const ROUTE_TYPE = 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration';
export const SECRET_TYPE = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';
/** Configuration of one filter, which a listener names instead of carrying it. */
export const EXTENSION_TYPE = 'type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig';
/** Types of Istio's that travel on the same stream. */
export const NAME_TABLE_TYPE = 'type.googleapis.com/istio.networking.nds.v1.NameTable';
export const PROXY_CONFIG_TYPE = 'type.googleapis.com/istio.mesh.v1alpha1.ProxyConfig';
/** Sent by a workload's agent: its health is the presence of an error. Never answered. */
export const HEALTH_TYPE = 'type.googleapis.com/istio.v1.HealthInformation';

/** What is sent first: a proxy must know a cluster and its endpoints before a listener or a route names them. */
export const PUSH_ORDER: readonly string[] = [CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, SECRET_TYPE];

/** Types whose resources are asked for by name. Of every other type a proxy gets all there is. */
const NAMED_TYPES = new Set([ENDPOINT_TYPE, ROUTE_TYPE, SECRET_TYPE, EXTENSION_TYPE]);

/** Types whose SotW responses replace the proxy's whole set, and where naming nothing means everything. */
export function isWholeSetType(typeUrl: string): boolean {
  return !NAMED_TYPES.has(typeUrl);
}

/** `CDS`, `EDS` and so on: what logs, metrics and `proxy-status` call a type. Other types keep their last name segment. */
export function shortTypeName(typeUrl: string): string {
  switch (typeUrl) {
    case CLUSTER_TYPE:
      return 'CDS';
    case ENDPOINT_TYPE:
      return 'EDS';
    case LISTENER_TYPE:
      return 'LDS';
    case ROUTE_TYPE:
      return 'RDS';
    case SECRET_TYPE:
      return 'SDS';
    case EXTENSION_TYPE:
      return 'ECDS';
    case NAME_TABLE_TYPE:
      return 'NDS';
    case PROXY_CONFIG_TYPE:
      return 'PCDS';
    default:
      return typeUrl.slice(typeUrl.lastIndexOf('.') + 1);
  }
}
