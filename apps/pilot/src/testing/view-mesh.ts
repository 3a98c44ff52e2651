import { createMemorySource, decodeAny, objectKey } from '@xebec/config';
import { silentLogger, VirtualClock } from '@xebec/core';
import { type MeshProxy, proxyFromNode } from '@xebec/model';
import type { ConfigObject } from '@xebec/schemas';
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ResourceCache, ROUTE_TYPE } from '@xebec/xds';
import { MeshState } from '../mesh-state.ts';
import { ProxyViews } from '../proxy-views.ts';

const TYPES = [CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE];
const LONGER_THAN_DEBOUNCE_MS = 100;

/** Decodes an object as a source would; what is wrong with it fails the test. */
export function object(raw: object): ConfigObject {
  const decoded = decodeAny(raw, { defaultNamespace: 'default' });
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.error));
  if (decoded.value === undefined) throw new Error(`not a kind of the mesh: ${JSON.stringify(raw)}`);
  return decoded.value;
}

/** A mesh without server: objects go in, views of proxies come out. */
export interface ViewMesh {
  readonly views: ProxyViews;
  /** Puts in some objects and takes out others, as one change. */
  apply(upserts: readonly ConfigObject[], deletions?: readonly ConfigObject[]): void;
  /** Version, which is the hash of the bytes, of each resource that a proxy should have, by type and name. */
  resources(proxy: MeshProxy): Readonly<Record<string, string>>;
}

export async function createViewMesh(initial: readonly ConfigObject[]): Promise<ViewMesh> {
  const source = createMemorySource(initial);
  const clock = new VirtualClock();
  const state = new MeshState({
    sources: [source],
    domain: 'cluster.local',
    mesh: undefined,
    clock,
    logger: silentLogger,
    debounce: { quietMs: 10, maxMs: 50 },
  });
  await source.start();
  const views = new ProxyViews(new ResourceCache());
  return {
    views,
    apply(upserts, deletions = []) {
      source.apply(upserts, deletions.map(objectKey));
      clock.advance(LONGER_THAN_DEBOUNCE_MS);
    },
    resources(proxy) {
      const { snapshot } = state;
      if (snapshot === undefined) throw new Error('the mesh has no snapshot');
      const view = views.build(snapshot, proxy);
      return Object.fromEntries(
        TYPES.flatMap((type) =>
          [...view.resources(type)].map(([name, { version }]) => [`${type.slice(type.lastIndexOf('.') + 1)} ${name}`, version]),
        ),
      );
    },
  };
}

/** A proxy of a pod with some labels. */
export function proxyOf(
  name: string,
  options: { namespace?: string; address: string; labels?: Record<string, string>; type?: 'sidecar' | 'router' },
): MeshProxy {
  const { namespace = 'default', address, labels = {}, type = 'sidecar' } = options;
  const proxy = proxyFromNode({
    id: `${type}~${address}~${name}.${namespace}~${namespace}.svc.cluster.local`,
    extensions: [],
    metadata: {
      NAMESPACE: namespace,
      NAME: name,
      INSTANCE_IPS: address,
      LABELS: labels,
      CLUSTER_ID: 'Kubernetes',
      ISTIO_VERSION: '1.32.0',
    },
  });
  if (!proxy.ok) throw new Error(proxy.error);
  return proxy.value;
}
