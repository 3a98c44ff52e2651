import { create } from '@bufbuild/protobuf';
import { query } from '@xebec/incremental';
import { destinationRuleOf, type MeshProxy, type MeshSnapshot, sidecarScope, tlsModeOf, trafficPolicyOf } from '@xebec/model';
import { type ClusterLoadAssignment, ClusterLoadAssignmentSchema } from '@xebec/protos/envoy/config/endpoint/v3/endpoint';
import { parseOutboundCluster } from '../cluster/names.ts';
import { type Generated, referenceTo } from '../generated.ts';
import { loadAssignment } from './load-assignment.ts';
import { leavesUnreadyOut, localityBalancing } from './locality.ts';

/** Endpoints of the named clusters; a name that stands for nothing gets an empty assignment, so that the proxy can go on. */
export function generateEndpoints(
  snapshot: MeshSnapshot,
  proxy: MeshProxy,
  clusterNames: readonly string[],
): Generated<ClusterLoadAssignment>[] {
  return clusterNames.map((name) => endpointsOf(snapshot, proxy, name));
}

const endpointsOf = query('load assignment', (snapshot: MeshSnapshot, proxy: MeshProxy, name: string): Generated<ClusterLoadAssignment> => {
  const nothing = { name, message: create(ClusterLoadAssignmentSchema, { clusterName: name }), provenance: [] };
  const parsed = parseOutboundCluster(name);
  if (parsed === undefined) return nothing;
  const service = sidecarScope(snapshot, proxy).service(parsed.hostname);
  const port = service?.ports.find((candidate) => candidate.number === parsed.port);
  if (service === undefined || port === undefined) return nothing;
  const rule = destinationRuleOf(snapshot, proxy, service);
  const subset = rule?.subsets.find((candidate) => candidate.name === parsed.subset);
  if (parsed.subset !== '' && subset === undefined) return nothing;
  // Failover follows what a rule says of outlier detection: the mesh's default makes clusters watch, and sends nobody farther.
  const policy = trafficPolicyOf(rule, subset, port.number, undefined);
  const message = loadAssignment(
    snapshot,
    proxy,
    service,
    port,
    subset?.labels,
    name,
    {
      ...localityBalancing(policy, snapshot, service),
      onlyReady: leavesUnreadyOut(policy, service),
    },
    tlsModeOf(rule, subset, port.number),
  );
  const source = snapshot.sourceOf(service);
  return {
    name,
    message,
    provenance: [...(source === undefined ? [] : [referenceTo(source)]), ...(rule?.sources ?? []).map((object) => referenceTo(object))],
  };
});
