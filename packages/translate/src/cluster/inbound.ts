import { create } from '@bufbuild/protobuf';
import { isHttp2, type MeshProxy, type Protocol, type ServiceInstance } from '@xebec/model';
import { type Cluster, Cluster_DiscoveryType, Cluster_LbPolicy, ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { HttpProtocolOptionsSchema } from '@xebec/protos/envoy/extensions/upstreams/http/v3/http_protocol_options';
import { pack } from '../envoy/any.ts';
import { seconds } from '../envoy/duration.ts';
import { istioMetadata } from '../envoy/istio-metadata.ts';
import type { Generated } from '../generated.ts';
import { inboundCluster } from './names.ts';
import { INBOUND_SOURCE, staticEndpoints } from './special.ts';
import { HTTP_PROTOCOL_OPTIONS, UNLIMITED } from './traffic-policy.ts';

/** Nearly 300 years: hosts of an inbound cluster are few and must not be cleaned up between calls. */
const NEVER = seconds(9223372035);

/**
 * One cluster for each port that the workload serves. With iptables the workload is where the caller's connection was
 * going; without, it listens on an address of its own.
 */
export function inboundClusters(
  instances: readonly ServiceInstance[],
  proxy: MeshProxy,
  connectTimeout: { seconds: bigint; nanos: number },
): Generated<Cluster>[] {
  const ports = new Map<number, ServiceInstance[]>();
  for (const instance of instances) {
    const list = ports.get(instance.targetPort);
    if (list === undefined) ports.set(instance.targetPort, [instance]);
    else list.push(instance);
  }
  return [...ports.entries()]
    .sort(([a], [b]) => a - b)
    .map(([port, members]) => {
      const name = inboundCluster(port);
      const protocol = members[0]?.port.protocol ?? 'tcp';
      const redirected = members[0]?.endpoint;
      const message = create(ClusterSchema, {
        name,
        altStatName: `${name};`,
        connectTimeout,
        circuitBreakers: { thresholds: [UNLIMITED] },
        commonLbConfig: {},
        ...upstreamFields(protocol),
        metadata: istioMetadata({
          services: members.map(({ service }) => ({ host: service.hostname, name: service.hostname, namespace: service.namespace })),
        }),
        ...(proxy.interceptionMode === 'NONE' || redirected !== undefined
          ? {
              clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
              lbPolicy: Cluster_LbPolicy.ROUND_ROBIN,
              loadAssignment: staticEndpoints(name, redirected?.address ?? proxy.appAddress, redirected?.port ?? port),
            }
          : {
              clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.ORIGINAL_DST },
              lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
              cleanupInterval: NEVER,
              upstreamBindConfig: INBOUND_SOURCE,
            }),
      });
      return { name, message, provenance: [] };
    });
}

function upstreamFields(protocol: Protocol) {
  if (isHttp2(protocol))
    return {
      typedExtensionProtocolOptions: {
        [HTTP_PROTOCOL_OPTIONS]: pack(HttpProtocolOptionsSchema, {
          upstreamProtocolOptions: {
            case: 'explicitHttpConfig',
            value: { protocolConfig: { case: 'http2ProtocolOptions', value: {} } },
          },
        }),
      },
    };
  if (protocol === 'auto')
    return {
      typedExtensionProtocolOptions: {
        [HTTP_PROTOCOL_OPTIONS]: pack(HttpProtocolOptionsSchema, {
          upstreamProtocolOptions: {
            case: 'useDownstreamProtocolConfig',
            value: { httpProtocolOptions: {}, http2ProtocolOptions: {} },
          },
        }),
      },
    };
  return {};
}
