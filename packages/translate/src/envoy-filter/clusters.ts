import { create } from '@bufbuild/protobuf';
import { query, sameList } from '@xebec/incremental';
import type { MeshProxy, MeshSnapshot } from '@xebec/model';
import { type Cluster, ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { parseOutboundCluster } from '../cluster/names.ts';
import type { Generated } from '../generated.ts';
import { edited, merge } from './json.ts';
import { inContext, type Patch, patchesFor } from './patches.ts';

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
    const message = edited(ClusterSchema, create(ClusterSchema), (json) => Object.assign(json, patch.value));
    if (message.name === '' || names.has(message.name)) return [];
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
  let current = cluster;
  for (const patch of patches) {
    if (!concerns(patch, cluster.name, proxy)) continue;
    if (patch.operation === 'REMOVE') return [];
    if (patch.operation !== 'MERGE') continue;
    const message = edited(ClusterSchema, current.message, (json) => Object.assign(json, merge(json, patch.value)));
    current = { ...current, message, provenance: [...current.provenance, patch.reference] };
  }
  return [current];
}

function concerns(patch: Patch, name: string, proxy: MeshProxy): boolean {
  const inbound = name.startsWith('inbound|') || name.startsWith('Inbound');
  if (!inContext(patch, proxy.type === 'router' ? 'GATEWAY' : inbound ? 'SIDECAR_INBOUND' : 'SIDECAR_OUTBOUND')) return false;
  const match = patch.match.cluster;
  if (match === undefined) return true;
  if (match.name !== undefined && match.name !== '' && match.name !== name) return false;
  const port = Number(name.split('|')[1]);
  if (match.portNumber !== undefined && match.portNumber !== port) return false;
  const outbound = parseOutboundCluster(name);
  if (match.service !== undefined && match.service !== '' && match.service !== outbound?.hostname) return false;
  return match.subset === undefined || match.subset === '' || match.subset === outbound?.subset;
}
