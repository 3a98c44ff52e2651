import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { equalJson, type JsonObject, type KubeObject, objectsAt, stringMapAt, textAt } from '../apiserver/object.ts';
import type { ControllerClient } from './client.ts';
import { type Controller, keyOfObject, splitKey } from './loop.ts';

const SLICES = 'endpointslices.discovery.k8s.io';
const SERVICE_LABEL = 'kubernetes.io/service-name';
const MANAGER_LABEL = 'endpointslice.kubernetes.io/managed-by';
const MANAGER = 'endpointslicemirroring-controller.k8s.io';
const SKIP_LABEL = 'endpointslice.kubernetes.io/skip-mirror';
/** As a cluster: what a subset has beyond is not mirrored. */
const MAX_ADDRESSES = 1000;

export type MirrorClient = Pick<ControllerClient, 'get' | 'list' | 'ensure' | 'update' | 'delete'>;

/** The slices that say what an Endpoints object says: one for each list of ports and family of addresses. */
export function mirroredSlices(endpoints: KubeObject): KubeObject[] {
  const { name, namespace = '', uid = '', labels = {} } = endpoints.metadata;
  const groups = new Map<string, { addressType: string; ports: JsonObject[]; endpoints: JsonObject[] }>();
  for (const subset of objectsAt(endpoints, 'subsets')) {
    const ports = objectsAt(subset, 'ports').map(
      (port): JsonObject => ({ ...port, name: textAt(port, 'name'), protocol: textAt(port, 'protocol') || 'TCP' }),
    );
    const listed = [
      ...objectsAt(subset, 'addresses').map((address) => ({ address, ready: true })),
      ...objectsAt(subset, 'notReadyAddresses').map((address) => ({ address, ready: false })),
    ];
    for (const { address, ready } of listed.slice(0, MAX_ADDRESSES)) {
      const { ip, ...rest } = address;
      if (typeof ip !== 'string') continue;
      const addressType = isIPv6(ip) ? 'IPv6' : 'IPv4';
      const key = JSON.stringify([addressType, ports]);
      const group = groups.get(key) ?? { addressType, ports, endpoints: [] };
      groups.set(key, group);
      group.endpoints.push({ addresses: [ip], conditions: { ready }, ...rest });
    }
  }
  return [...groups].map(([key, group]) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${name}-${createHash('sha256').update(`${uid}/${key}`).digest('hex').slice(0, 5)}`,
      namespace,
      labels: { ...labels, [MANAGER_LABEL]: MANAGER, [SERVICE_LABEL]: name },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Endpoints', name, uid, controller: true, blockOwnerDeletion: true }],
    },
    ...group,
  }));
}

/**
 * Mirrors the Endpoints that somebody wrote by hand for a service without selector into EndpointSlices, which is all that the mesh and
 * kubectl's newer tables read. A service that has slices of others needs none.
 */
export function endpointsMirror(client: MirrorClient): Controller {
  return {
    name: 'endpointslicemirroring',
    keysOf: ({ resource, object }) => {
      if (resource === 'services' || resource === 'endpoints') return [keyOfObject(object)];
      const service = resource === SLICES ? object.metadata.labels?.[SERVICE_LABEL] : undefined;
      return service === undefined ? [] : [`${object.metadata.namespace ?? ''}/${service}`];
    },
    initialKeys: () => client.list('endpoints').map(keyOfObject),
    reconcile: async (key) => {
      const [namespace, name] = splitKey(key);
      const slices = client.list(SLICES, namespace).filter((slice) => slice.metadata.labels?.[SERVICE_LABEL] === name);
      const own = slices.filter((slice) => slice.metadata.labels?.[MANAGER_LABEL] === MANAGER);
      const endpoints = client.get('endpoints', namespace, name);
      const wanted =
        endpoints !== undefined && slices.length === own.length && isMirrored(client, endpoints) ? mirroredSlices(endpoints) : [];
      for (const slice of wanted) {
        const existing = own.find(({ metadata }) => metadata.name === slice.metadata.name);
        if (existing === undefined) await client.ensure(SLICES, slice);
        else if (!equalJson(existing['endpoints'], slice['endpoints']) || !equalJson(existing.metadata.labels, slice.metadata.labels))
          await client.update(SLICES, {
            ...existing,
            metadata: { ...existing.metadata, labels: slice.metadata.labels ?? {} },
            endpoints: slice['endpoints'] ?? [],
          });
      }
      for (const slice of own)
        if (!wanted.some(({ metadata }) => metadata.name === slice.metadata.name)) await client.delete(SLICES, slice);
      return undefined;
    },
  };
}

function isMirrored(client: MirrorClient, { metadata }: KubeObject): boolean {
  if (metadata.deletionTimestamp !== undefined || metadata.labels?.[SKIP_LABEL] === 'true') return false;
  const { namespace = '', name } = metadata;
  if (client.get('namespaces', '', namespace)?.metadata.deletionTimestamp !== undefined) return false;
  const service = client.get('services', namespace, name);
  return (
    service !== undefined &&
    service.metadata.deletionTimestamp === undefined &&
    Object.keys(stringMapAt(service, 'spec', 'selector')).length === 0
  );
}
