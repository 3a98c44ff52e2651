import { clone } from '@bufbuild/protobuf';
import { query, sameList } from '@xebec/incremental';
import type { MeshProxy, MeshSnapshot } from '@xebec/model';
import { type Cluster, ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { parseOutboundCluster } from '../cluster/names.ts';
import type { Generated } from '../generated.ts';
import { mergeAny, mergeMessage } from './merge.ts';
import { inContext, isMerge, type Patch, patchesFor, patchValue } from './patches.ts';

/** Applies MERGE and REMOVE of CLUSTER patches. */
export function patchClusters(snapshot: MeshSnapshot, proxy: MeshProxy, clusters: readonly Generated<Cluster>[]): Generated<Cluster>[] {
  const patches = clusterPatches(snapshot, proxy);
  return patches.length === 0 ? [...clusters] : clusters.flatMap((cluster) => patchedCluster(snapshot, proxy, cluster, patches));
}

/** The clusters that patches ADD to those that are `present`. */
export function addClusters(
  snapshot: MeshSnapshot,
  proxy: MeshProxy,
  present: () => readonly Generated<Cluster>[],
): readonly Generated<Cluster>[] {
  const patches = clusterPatches(snapshot, proxy).filter((patch) => patch.operation === 'ADD');
  if (patches.length === 0) return [];
  const names = new Set(present().map(({ name }) => name));
  return patches.flatMap((patch) => {
    const message = patchValue(patch, ClusterSchema);
    if (message === undefined || message.name === '' || names.has(message.name)) return [];
    names.add(message.name);
    return [{ name: message.name, message, provenance: [patch.reference] }];
  });
}

const clusterPatches = query(
  'cluster patches',
  (snapshot: MeshSnapshot, proxy: MeshProxy) => patchesFor(snapshot, proxy).filter((patch) => patch.applyTo === 'CLUSTER'),
  { same: sameList },
);

const patchedCluster = query(
  'patched cluster',
  (_: MeshSnapshot, proxy: MeshProxy, cluster: Generated<Cluster>, patches: readonly Patch[]) => patchOne(cluster, patches, proxy),
  { same: sameList },
);

function patchOne(cluster: Generated<Cluster>, patches: readonly Patch[], proxy: MeshProxy): Generated<Cluster>[] {
  const own = patches.filter((patch) => concerns(patch, cluster, proxy));
  if (own.length === 0) return [cluster];
  const message = clone(ClusterSchema, cluster.message);
  for (const patch of own) {
    if (patch.operation === 'REMOVE') return [];
    const value = isMerge(patch) ? patchValue(patch, ClusterSchema) : undefined;
    if (value === undefined) continue;
    if (!mergeSocket(message, value)) mergeMessage(ClusterSchema, message, value, patch.operation === 'MERGE_AND_REPLACE_LIST');
  }
  return [{ ...cluster, message, provenance: [...cluster.provenance, ...own.map((patch) => patch.reference)] }];
}

/**
 * The transport socket of a patch is merged into the cluster's of the same name, also where that is one of several by match,
 * or takes the place of another; nothing else of the patch is looked at then.
 */
function mergeSocket(cluster: Cluster, value: Cluster): boolean {
  const given = value.transportSocket;
  if (given === undefined) return false;
  const several = cluster.transportSocketMatches.length > 0;
  const sockets = several ? cluster.transportSocketMatches.map(({ transportSocket }) => transportSocket) : [cluster.transportSocket];
  const own = sockets.find((socket) => socket?.name === given.name);
  if (own === undefined) {
    // One socket beside several by match would be refused.
    if (!several) cluster.transportSocket = given;
    return true;
  }
  if (own.configType.case === 'typedConfig' && given.configType.case === 'typedConfig') {
    const merged = mergeAny(own.configType.value, given.configType.value);
    if (merged !== undefined) own.configType = { case: 'typedConfig', value: merged };
  }
  return true;
}

function concerns(patch: Patch, { name, message }: Generated<Cluster>, proxy: MeshProxy): boolean {
  const inbound = name.startsWith('inbound|') || name.startsWith('Inbound');
  if (!inContext(patch, proxy.type === 'router' ? 'GATEWAY' : inbound ? 'SIDECAR_INBOUND' : 'SIDECAR_OUTBOUND')) return false;
  const match = patch.match.cluster;
  if (match === undefined) return true;
  if (match.name !== undefined && match.name !== '') return match.name === name;
  const outbound = parseOutboundCluster(name);
  const port = inbound ? Number(name.split('|')[1]) : outbound?.port;
  if (match.portNumber !== undefined && match.portNumber !== 0 && match.portNumber !== port) return false;
  const hosts = inbound ? servicesOf(message) : [outbound?.hostname ?? ''];
  if (match.service !== undefined && match.service !== '' && !hosts.includes(match.service)) return false;
  return match.subset === undefined || match.subset === '' || match.subset === (outbound?.subset ?? '');
}

/** The services behind an inbound cluster, as its metadata lists them. */
function servicesOf({ metadata }: Cluster): string[] {
  const services = metadata?.filterMetadata['istio']?.['services'];
  if (!Array.isArray(services)) return [];
  return services.flatMap((service) =>
    typeof service === 'object' && service !== null && !Array.isArray(service) && typeof service['host'] === 'string'
      ? [service['host']]
      : [],
  );
}
