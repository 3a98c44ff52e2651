import { create } from '@bufbuild/protobuf';
import { HealthStatus } from '@xebec/protos/envoy/config/core/v3/health_check';
import {
  type ClusterLoadAssignment,
  ClusterLoadAssignment_PolicySchema,
  ClusterLoadAssignmentSchema,
} from '@xebec/protos/envoy/config/endpoint/v3/endpoint';
import {
  type LbEndpoint,
  LbEndpointSchema,
  type LocalityLbEndpoints,
  LocalityLbEndpointsSchema,
} from '@xebec/protos/envoy/config/endpoint/v3/endpoint_components';
import type { Cluster } from '../clusters/cluster.ts';
import type { Host } from '../clusters/host.ts';

/** The hosts of a cluster as they are now, in EDS's form: by priority and locality, with their health. */
export function endpointsOf(cluster: Cluster): ClusterLoadAssignment {
  const { assignment, config } = cluster;
  const groups = new Map<string, LocalityLbEndpoints>();
  for (const host of cluster.hosts) {
    const { locality, priority, localityWeight } = host.config;
    const key = `${priority}|${locality?.region ?? ''}|${locality?.zone ?? ''}|${locality?.subZone ?? ''}`;
    const known = groups.get(key);
    const weighed = assignment?.endpoints.some(({ loadBalancingWeight }) => loadBalancingWeight !== undefined) === true;
    const group =
      known ??
      create(LocalityLbEndpointsSchema, {
        locality: locality ?? {},
        priority,
        loadBalancingWeight: weighed ? localityWeight : 0,
      });
    group.lbEndpoints.push(endpointOf(host));
    groups.set(key, group);
  }
  return create(ClusterLoadAssignmentSchema, {
    // An EDS cluster is called by its service here.
    clusterName: assignment?.clusterName ?? config.name,
    endpoints: [...groups.values()],
    policy: create(ClusterLoadAssignment_PolicySchema, { overprovisioningFactor: assignment?.policy?.overprovisioningFactor ?? 140 }),
  });
}

function endpointOf({ config, active, ejected }: Host): LbEndpoint {
  const { address, hostname, weight, check } = config;
  const unhealthy = active.failed || ejected;
  return create(LbEndpointSchema, {
    hostIdentifier: {
      case: 'endpoint',
      value: {
        hostname,
        healthCheckConfig: { portValue: check.port, hostname: check.hostname },
        address: {
          address:
            address.kind === 'pipe'
              ? { case: 'pipe', value: { path: address.path } }
              : { case: 'socketAddress', value: { address: address.address, portSpecifier: { case: 'portValue', value: address.port } } },
        },
      },
    },
    healthStatus: unhealthy
      ? HealthStatus.UNHEALTHY
      : config.eds === 'unknown'
        ? HealthStatus.HEALTHY
        : (HealthStatus[config.eds.toUpperCase() as keyof typeof HealthStatus] ?? HealthStatus.HEALTHY),
    loadBalancingWeight: weight,
  });
}
