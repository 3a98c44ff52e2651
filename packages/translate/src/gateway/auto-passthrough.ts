import { clearField, clone } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import {
  destinationRuleOf,
  dnsName,
  type GatewayServerOf,
  hostCovers,
  type MeshProxy,
  type MeshSnapshot,
  mergeGateways,
} from '@xebec/model';
import { type Cluster, ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import type { ClusterLoadAssignment } from '@xebec/protos/envoy/config/endpoint/v3/endpoint';
import type { FilterChainSchema } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import { HttpProtocolOptionsSchema } from '@xebec/protos/envoy/extensions/upstreams/http/v3/http_protocol_options';
import { meshServerName, parseOutboundCluster } from '../cluster/names.ts';
import { HTTP_PROTOCOL_OPTIONS } from '../cluster/protocol-options.ts';
import { type Fields, pack } from '../envoy/any.ts';
import type { Generated } from '../generated.ts';
import type { ListenerContext } from '../listener/context.ts';
import { tcpProxy } from '../listener/tcp-proxy.ts';
import { connectionPolicyOf } from '../virtual-service/destination.ts';

type FilterChain = Fields<typeof FilterChainSchema>;

/** What sidecars offer by ALPN: anything else on such a port is not of the mesh. */
const MESH_ALPN = ['istio', 'istio-peer-exchange', 'istio-http/1.0', 'istio-http/1.1', 'istio-h2'];

/**
 * Chains of a server that passes mesh TLS on by its server name, which names a cluster: one for each port and subset of every
 * service of the mesh that the server's hosts cover. Nothing guards them but the workloads at their ends.
 */
export function autoPassthroughChains(snapshot: MeshSnapshot, context: ListenerContext, entry: GatewayServerOf): FilterChain[] {
  const { proxy, scope, gateway } = context;
  const hosts = entry.hosts.map(dnsName);
  return scope.services
    .filter((service) => !service.meshExternal && hosts.some((host) => hostCovers(host, service.hostname)))
    .flatMap((service) => {
      const rule = destinationRuleOf(snapshot, proxy, service);
      const subsets = [undefined, ...(rule?.subsets ?? []).map(({ name }) => name)];
      return service.ports
        .filter(({ protocol }) => protocol !== 'udp')
        .flatMap((port) =>
          subsets.map((subset): FilterChain => {
            const cluster = meshServerName(port.number, subset, service.hostname);
            const policy = rule === undefined ? undefined : connectionPolicyOf(rule, subset);
            return {
              filterChainMatch: { serverNames: [cluster], applicationProtocols: MESH_ALPN },
              filters: [
                ...gateway.tcpStats,
                tcpProxy([{ cluster, weight: 1 }], gateway.tcpAccessLog, {
                  hashSourceIp: policy?.hashSourceIp === true,
                  ...(policy?.idleTimeout === undefined ? {} : { idleTimeout: policy.idleTimeout }),
                  ...(policy?.maxDuration === undefined ? {} : { maxDuration: policy.maxDuration }),
                }),
              ],
            };
          }),
        );
    });
}

/** The clusters of such chains: those of the services without any TLS, for the caller's goes through to the end. */
export function passthroughClusters(
  snapshot: MeshSnapshot,
  proxy: MeshProxy,
  external: (hostname: string) => boolean,
  outbound: () => readonly Generated<Cluster>[],
): Generated<Cluster>[] {
  if (!mergeGateways(snapshot, proxy).autoPassthrough) return [];
  return outbound().flatMap((generated): Generated<Cluster>[] => {
    const parsed = parseOutboundCluster(generated.name);
    if (parsed === undefined || external(parsed.hostname)) return [];
    const name = meshServerName(parsed.port, parsed.subset, parsed.hostname);
    const message = clone(ClusterSchema, generated.message);
    clearField(message, ClusterSchema.field.transportSocket);
    message.transportSocketMatches = [];
    dropServerNames(message);
    message.name = name;
    message.altStatName = `${name};`;
    if (message.edsClusterConfig !== undefined) message.edsClusterConfig.serviceName = name;
    if (message.loadAssignment !== undefined) {
      message.loadAssignment.clusterName = name;
      keepMeshEndpoints(message.loadAssignment);
    }
    return [{ ...generated, name, message }];
  });
}

/** Mesh TLS that is passed on as it comes must end at something that speaks it. */
function keepMeshEndpoints(assignment: ClusterLoadAssignment): void {
  for (const locality of assignment.endpoints) {
    locality.lbEndpoints = locality.lbEndpoints.filter(
      ({ metadata }) => metadata?.filterMetadata['envoy.transport_socket_match'] !== undefined,
    );
    locality.loadBalancingWeight = locality.lbEndpoints.reduce((sum, { loadBalancingWeight = 1 }) => sum + loadBalancingWeight, 0);
  }
}

/** What is passed on as it comes has no server name of ours to send or to check. */
function dropServerNames(cluster: Cluster): void {
  const packed = cluster.typedExtensionProtocolOptions[HTTP_PROTOCOL_OPTIONS];
  const options = packed === undefined ? undefined : anyUnpack(packed, HttpProtocolOptionsSchema);
  if (options?.upstreamHttpProtocolOptions === undefined) return;
  clearField(options, HttpProtocolOptionsSchema.field.upstreamHttpProtocolOptions);
  // Options that are there for the names alone say HTTP/1, which is the default.
  const { upstreamProtocolOptions: upstream } = options;
  const http = upstream.case === 'explicitHttpConfig' ? upstream.value.protocolConfig : undefined;
  const plain = http?.case === 'httpProtocolOptions' && http.value.headerKeyFormat === undefined;
  if (plain && options.commonHttpProtocolOptions === undefined) delete cluster.typedExtensionProtocolOptions[HTTP_PROTOCOL_OPTIONS];
  else cluster.typedExtensionProtocolOptions[HTTP_PROTOCOL_OPTIONS] = pack(HttpProtocolOptionsSchema, options);
}
