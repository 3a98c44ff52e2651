import { create } from '@bufbuild/protobuf';
import { type Cluster, Cluster_DiscoveryType, Cluster_LbPolicy, ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { HttpProtocolOptionsSchema } from '@xebec/protos/envoy/extensions/upstreams/http/v3/http_protocol_options';
import type { MeshConfig } from '@xebec/schemas';
import { socketAddress } from '../envoy/address.ts';
import { type Fields, pack } from '../envoy/any.ts';
import { seconds } from '../envoy/duration.ts';
import type { FamilyAddresses } from '../listener/wildcards.ts';
import { BLACK_HOLE, INBOUND_PASSTHROUGH, PASSTHROUGH } from './names.ts';
import { PRESERVE_CASE } from './protocol-options.ts';
import { connectionPoolFields, HTTP_PROTOCOL_OPTIONS } from './traffic-policy.ts';

type ClusterInit = Fields<typeof ClusterSchema>;
type DurationFields = { seconds: bigint; nanos: number };

/** Source address of what the sidecar sends to its own workload, so that iptables can tell it from the workload's own calls. */
export function inboundSource(first: string, more: readonly string[] = []) {
  const source = (address: string) => ({ address, portSpecifier: { case: 'portValue' as const, value: 0 } });
  return { sourceAddress: source(first), extraSourceAddresses: more.map((address) => ({ address: source(address) })) };
}

/** Takes connections and closes them. */
export function blackHoleCluster(connectTimeout: DurationFields): Cluster {
  return create(ClusterSchema, {
    name: BLACK_HOLE,
    altStatName: `${BLACK_HOLE};`,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
    connectTimeout,
  });
}

function originalDestination(name: string, connectTimeout: DurationFields, preservesCase: boolean): ClusterInit {
  return {
    name,
    altStatName: `${PASSTHROUGH};`,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.ORIGINAL_DST },
    connectTimeout,
    lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
    typedExtensionProtocolOptions: {
      [HTTP_PROTOCOL_OPTIONS]: pack(HttpProtocolOptionsSchema, {
        commonHttpProtocolOptions: { idleTimeout: seconds(300) },
        upstreamProtocolOptions: {
          case: 'useDownstreamProtocolConfig',
          value: { httpProtocolOptions: preservesCase ? PRESERVE_CASE : {}, http2ProtocolOptions: {} },
        },
      }),
    },
  };
}

/** Sends where the caller wanted to go. */
export function passthroughCluster(
  connectTimeout: DurationFields,
  filters: NonNullable<ClusterInit['filters']>,
  mesh: MeshConfig,
  preservesCase: boolean,
): Cluster {
  return create(ClusterSchema, { ...originalDestination(PASSTHROUGH, connectTimeout, preservesCase), ...poolOfMesh(mesh), filters });
}

/** The mesh's own limits also hold for what passes by all services. */
function poolOfMesh(mesh: MeshConfig): ClusterInit {
  const pool = mesh.defaultTrafficPolicy?.connectionPool;
  const { typedExtensionProtocolOptions: _, ...limits } = connectionPoolFields(
    pool === undefined ? {} : { connectionPool: pool },
    'tcp',
    mesh.tcpKeepalive,
  );
  return limits;
}

/** Sends to the workload's port that was called, for ports that no service names. */
export function inboundPassthroughCluster(
  connectTimeout: DurationFields,
  family: FamilyAddresses,
  mesh: MeshConfig,
  preservesCase: boolean,
): Cluster {
  const [first, ...more] = family.inboundSource;
  return create(ClusterSchema, {
    ...originalDestination(INBOUND_PASSTHROUGH, connectTimeout, preservesCase),
    ...poolOfMesh(mesh),
    upstreamBindConfig: inboundSource(first, more),
  });
}

/** An address outside of discovery: the fixed endpoint of a static cluster. */
export function staticEndpoints(clusterName: string, address: string, port: number) {
  return {
    clusterName,
    endpoints: [
      {
        lbEndpoints: [{ hostIdentifier: { case: 'endpoint' as const, value: { address: socketAddress(address, port) } } }],
      },
    ],
  };
}
