import type { ChannelCredentials, Client } from '@grpc/grpc-js';
import { XebecError } from '@xebec/core';
import type { Cluster as ClusterProto } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import type { DataSource } from '@xebec/protos/envoy/config/core/v3/base';
import { UpstreamTlsContextSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/tls';
import { typeNameOf, unpack } from '../config/unpack.ts';
import { endpointAddress } from '../net/endpoint-address.ts';
import { readDataSource } from '../tls/secret-store.ts';
import { grpc } from './grpc.ts';

/** A gRPC client for a static cluster of the bootstrap: control-plane calls go through grpc-js. Throws XebecError `E_CONFIG`. */
export function grpcClientFor(cluster: ClusterProto): Client {
  const where = `cluster "${cluster.name}"`;
  const endpoint = cluster.loadAssignment?.endpoints[0]?.lbEndpoints[0]?.hostIdentifier;
  if (endpoint?.case !== 'endpoint') throw new XebecError('E_CONFIG', `${where}: gRPC needs an endpoint in load_assignment`);
  const address = endpointAddress(endpoint.value.address, where);
  const target = address.kind === 'pipe' ? `unix:${address.path}` : `dns:${address.address}:${address.port}`;
  const any = cluster.transportSocket?.configType.value;
  const tls = any === undefined || typeNameOf(any).endsWith('RawBuffer') ? undefined : unpack(any, UpstreamTlsContextSchema, where);
  const { Client: GrpcClient, credentials } = grpc();
  let channel: ChannelCredentials = credentials.createInsecure();
  const options: Record<string, string | number> = {
    'grpc.keepalive_time_ms': 30_000,
    'grpc.max_receive_message_length': 256 * 1024 * 1024,
    'grpc.initial_reconnect_backoff_ms': 200,
    'grpc.max_reconnect_backoff_ms': 5_000,
    'grpc.enable_retries': 0,
  };
  if (tls !== undefined) {
    const common = tls.commonTlsContext;
    const certificate = common?.tlsCertificates[0];
    const validation = common?.validationContextType.case === 'validationContext' ? common.validationContextType.value : undefined;
    const read = (source: DataSource | undefined) => readDataSource(source) ?? null;
    channel = credentials.createSsl(read(validation?.trustedCa), read(certificate?.privateKey), read(certificate?.certificateChain));
    if (tls.sni !== '') options['grpc.ssl_target_name_override'] = tls.sni;
  }
  return new GrpcClient(target, channel, options);
}
