import type { Health } from '@xebec/balancing';
import { XebecError } from '@xebec/core';
import { HealthStatus } from '@xebec/protos/envoy/config/core/v3/health_check';
import type { ClusterLoadAssignment } from '@xebec/protos/envoy/config/endpoint/v3/endpoint';
import { endpointAddress } from '../net/endpoint-address.ts';
import type { HostConfig } from './host.ts';

/** The hosts of a load assignment; throws XebecError `E_CONFIG` naming the endpoint that is wrong. */
export function hostsOfAssignment(assignment: ClusterLoadAssignment): HostConfig[] {
  const hosts: HostConfig[] = [];
  for (const [group, locality] of assignment.endpoints.entries()) {
    for (const [index, entry] of locality.lbEndpoints.entries()) {
      const where = `load assignment "${assignment.clusterName}": endpoints[${group}].lb_endpoints[${index}]`;
      if (entry.hostIdentifier.case !== 'endpoint') throw new XebecError('E_CONFIG', `${where}: endpoint is missing`);
      const endpoint = entry.hostIdentifier.value;
      hosts.push({
        address: endpointAddress(endpoint.address, where),
        hostname: endpoint.hostname,
        weight: entry.loadBalancingWeight ?? 1,
        priority: locality.priority,
        locality: locality.locality,
        localityWeight: locality.loadBalancingWeight ?? 0,
        health: healthOf(entry.healthStatus),
        metadata: { ...locality.metadata?.filterMetadata, ...entry.metadata?.filterMetadata },
      });
    }
  }
  return hosts;
}

function healthOf(status: HealthStatus): Health {
  switch (status) {
    case HealthStatus.UNHEALTHY:
    case HealthStatus.DRAINING:
    case HealthStatus.TIMEOUT:
      return 'unhealthy';
    case HealthStatus.DEGRADED:
      return 'degraded';
    default:
      return 'healthy';
  }
}
