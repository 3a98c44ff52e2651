import { XebecError } from '@xebec/core';
import { optionalDurationMs } from '@xebec/matching';
import type { GrpcService } from '@xebec/protos/envoy/config/core/v3/grpc_service';
import type { HeaderList } from '@xebec/wire';

/** A gRPC service that a filter calls, by cluster. */
export interface GrpcTarget {
  readonly cluster: string;
  readonly timeoutMs: number;
  /** Metadata of every call: names and values. */
  readonly metadata: HeaderList;
}

/** Compiles `envoy.config.core.v3.GrpcService`; throws XebecError `E_FILTER_CONFIG` naming `where` unless it is `envoy_grpc`. */
export function compileGrpcService(service: GrpcService | undefined, where: string, defaultTimeoutMs: number): GrpcTarget {
  const target = service?.targetSpecifier;
  if (service === undefined || target?.case !== 'envoyGrpc') throw new XebecError('E_FILTER_CONFIG', `${where} needs envoy_grpc`);
  if (target.value.clusterName === '') throw new XebecError('E_FILTER_CONFIG', `${where}.envoy_grpc.cluster_name is missing`);
  return {
    cluster: target.value.clusterName,
    timeoutMs: optionalDurationMs(service.timeout) ?? defaultTimeoutMs,
    metadata: service.initialMetadata.flatMap(({ key, value }) => [key.toLowerCase(), value]),
  };
}
