import { fromBinary } from '@bufbuild/protobuf';
import { type Clock, errorText, XebecError } from '@xebec/core';
import { optionalDurationMs } from '@xebec/matching';
import type { Cluster as ClusterProto } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { type ClusterLoadAssignment, ClusterLoadAssignmentSchema } from '@xebec/protos/envoy/config/endpoint/v3/endpoint';
import type { StatsScope } from '@xebec/telemetry';
import type { Subscribe } from '../xds-client/subscribe.ts';
import type { HostConfig } from './host.ts';
import { hostsOfAssignment } from './load-assignment.ts';

export const endpointTypeUrl = 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment';

export interface EndpointDiscoveryOptions {
  readonly proto: ClusterProto;
  readonly clock: Clock;
  readonly stats: StatsScope;
  readonly subscribe: Subscribe;
  onAssignment(assignment: ClusterLoadAssignment, hosts: readonly HostConfig[]): void;
  /** Nothing came in time, or the server says that there is nothing. */
  onNothing(): void;
}

/** Watches a cluster's endpoints; returns how to stop. Throws XebecError `E_CONFIG` when no source is named. */
export function discoverEndpoints(options: EndpointDiscoveryOptions): () => void {
  const { proto, clock, stats } = options;
  const eds = proto.edsClusterConfig;
  if (eds?.edsConfig === undefined) throw new XebecError('E_CONFIG', `cluster "${proto.name}": eds_cluster_config.eds_config is missing`);
  const name = eds.serviceName === '' ? proto.name : eds.serviceName;
  let arrived = false;
  let cancelStale: (() => void) | undefined;
  const stop = options.subscribe(eds.edsConfig, endpointTypeUrl, name, {
    statPrefix: `cluster.${proto.altStatName === '' ? proto.name : proto.altStatName}`,
    onResource(any) {
      try {
        const assignment = fromBinary(ClusterLoadAssignmentSchema, any.value);
        const hosts = hostsOfAssignment(assignment);
        arrived = true;
        cancelStale?.();
        const staleMs = optionalDurationMs(assignment.policy?.endpointStaleAfter) ?? 0;
        if (staleMs > 0) {
          stats.counter('assignment_timeout_received').add(1);
          cancelStale = clock.setTimeout(() => {
            stats.counter('assignment_stale').add(1);
            options.onNothing();
          }, staleMs);
        }
        options.onAssignment(assignment, hosts);
        return undefined;
      } catch (error) {
        return errorText(error);
      }
    },
    // Endpoints stay when their assignment goes: only the cluster's own end takes them away.
    onRemoved() {
      if (arrived) return;
      arrived = true;
      options.onNothing();
    },
  });
  const timeoutMs = optionalDurationMs(eds.edsConfig.initialFetchTimeout) ?? 15_000;
  const cancelFirst =
    timeoutMs === 0
      ? undefined
      : clock.setTimeout(() => {
          if (arrived) return;
          stats.counter('init_fetch_timeout').add(1);
          options.onNothing();
        }, timeoutMs);
  return () => {
    stop();
    cancelStale?.();
    cancelFirst?.();
  };
}
