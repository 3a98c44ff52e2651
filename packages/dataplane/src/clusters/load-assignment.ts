import { XebecError } from '@xebec/core';
import { HealthStatus } from '@xebec/protos/envoy/config/core/v3/health_check';
import type { ClusterLoadAssignment } from '@xebec/protos/envoy/config/endpoint/v3/endpoint';
import type { Endpoint, LbEndpoint, LocalityLbEndpoints } from '@xebec/protos/envoy/config/endpoint/v3/endpoint_components';
import { endpointAddress } from '../net/endpoint-address.ts';
import { type HostCheckConfig, type HostConfig, plainCheck } from './host.ts';
import type { EdsStatus } from './host-health.ts';

/** The hosts of a load assignment; throws XebecError `E_CONFIG` naming the endpoint that is wrong. */
export function hostsOfAssignment(assignment: ClusterLoadAssignment): HostConfig[] {
  const hosts: HostConfig[] = [];
  for (const [group, locality] of assignment.endpoints.entries()) {
    const where = `load assignment "${assignment.clusterName}": endpoints[${group}]`;
    if (locality.lbConfig.case === 'ledsClusterLocalityConfig')
      throw new XebecError('E_CONFIG', `${where}: leds_cluster_locality_config is not supported; use lb_endpoints`);
    const entries = locality.lbConfig.case === 'loadBalancerEndpoints' ? locality.lbConfig.value.lbEndpoints : locality.lbEndpoints;
    for (const [index, entry] of entries.entries())
      hosts.push(hostOf(entry, locality, assignment.namedEndpoints, `${where}.lb_endpoints[${index}]`));
  }
  return hosts;
}

function hostOf(entry: LbEndpoint, locality: LocalityLbEndpoints, named: Readonly<Record<string, Endpoint>>, where: string): HostConfig {
  const identifier = entry.hostIdentifier;
  const endpoint = identifier.case === 'endpointName' ? named[identifier.value] : identifier.value;
  if (identifier.case === 'endpointName' && endpoint === undefined)
    throw new XebecError('E_CONFIG', `${where}: endpoint_name "${identifier.value}" is not in named_endpoints`);
  if (endpoint === undefined) throw new XebecError('E_CONFIG', `${where}: endpoint is missing`);
  const others = endpoint.additionalAddresses.map(({ address }, i) => endpointAddress(address, `${where}.additional_addresses[${i}]`));
  return {
    address: endpointAddress(endpoint.address, where),
    hostname: endpoint.hostname,
    weight: entry.loadBalancingWeight ?? 1,
    priority: locality.priority,
    locality: locality.locality,
    localityWeight: locality.loadBalancingWeight ?? 0,
    eds: statusOf(entry.healthStatus),
    check: checkOf(endpoint, where),
    ...(others.length === 0 ? {} : { otherAddresses: others }),
    metadata: { ...locality.metadata?.filterMetadata, ...entry.metadata?.filterMetadata },
    ...(locality.metadata === undefined
      ? {}
      : { ownMetadata: { endpoint: entry.metadata?.filterMetadata ?? {}, locality: locality.metadata.filterMetadata } }),
  };
}

function checkOf(endpoint: Endpoint, where: string): HostCheckConfig {
  const config = endpoint.healthCheckConfig;
  if (config === undefined) return plainCheck;
  return {
    port: config.portValue,
    hostname: config.hostname,
    address: config.address === undefined ? undefined : endpointAddress(config.address, `${where}.health_check_config.address`),
    disabled: config.disableActiveHealthCheck,
  };
}

function statusOf(status: HealthStatus): EdsStatus {
  switch (status) {
    case HealthStatus.HEALTHY:
      return 'healthy';
    case HealthStatus.UNHEALTHY:
      return 'unhealthy';
    case HealthStatus.DRAINING:
      return 'draining';
    case HealthStatus.TIMEOUT:
      return 'timeout';
    case HealthStatus.DEGRADED:
      return 'degraded';
    default:
      return 'unknown';
  }
}
