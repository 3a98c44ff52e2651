/** The v3 resource types that Envoy's ADS carries. */
export const CLUSTER_TYPE = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
export const ENDPOINT_TYPE = 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment';
export const LISTENER_TYPE = 'type.googleapis.com/envoy.config.listener.v3.Listener';
export const ROUTE_TYPE = 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration';
export const SECRET_TYPE = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';

/** What is sent first: a proxy must know a cluster and its endpoints before a listener or a route names them. */
export const PUSH_ORDER: readonly string[] = [CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, SECRET_TYPE];

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
    default:
      return typeUrl.slice(typeUrl.lastIndexOf('.') + 1);
  }
}
