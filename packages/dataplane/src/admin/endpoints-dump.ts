import { create } from '@bufbuild/protobuf';
import { type ClusterLoadAssignment, ClusterLoadAssignmentSchema } from '@xebec/protos/envoy/config/endpoint/v3/endpoint';
import type { Cluster } from '../clusters/cluster.ts';

/** The hosts of a cluster without EDS, in EDS's form. */
export function endpointsOf(cluster: Cluster): ClusterLoadAssignment {
  return create(ClusterLoadAssignmentSchema, {
    clusterName: cluster.config.name,
    endpoints: [
      {
        lbEndpoints: [...cluster.hosts].map((host) => ({
          hostIdentifier: {
            case: 'endpoint' as const,
            value: {
              hostname: host.config.hostname,
              address: {
                address:
                  host.config.address.kind === 'pipe'
                    ? { case: 'pipe' as const, value: { path: host.config.address.path } }
                    : {
                        case: 'socketAddress' as const,
                        value: {
                          address: host.config.address.address,
                          portSpecifier: { case: 'portValue' as const, value: host.config.address.port },
                        },
                      },
              },
            },
          },
        })),
      },
    ],
  });
}
