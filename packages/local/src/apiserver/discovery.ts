import type { JsonObject } from './object.ts';
import type { ResourceRegistry } from './registry.ts';
import { apiVersionOf, type Resource } from './resource.ts';

/** Kubernetes version that the server speaks; kubectl allows one minor version of skew. */
export const KUBERNETES_VERSION = { major: '1', minor: '32', gitVersion: 'v1.32.4' } as const;

/** Kinds whose subresource takes and gives another kind. */
const SUBRESOURCE_KINDS: Readonly<Record<string, readonly [group: string, version: string, kind: string]>> = {
  scale: ['autoscaling', 'v1', 'Scale'],
  token: ['authentication.k8s.io', 'v1', 'TokenRequest'],
  eviction: ['policy', 'v1', 'Eviction'],
  binding: ['', 'v1', 'Binding'],
  exec: ['', 'v1', 'PodExecOptions'],
  attach: ['', 'v1', 'PodAttachOptions'],
  portforward: ['', 'v1', 'PodPortForwardOptions'],
};

function subresourceVerbs(name: string): string[] {
  if (name === 'token' || name === 'eviction' || name === 'binding') return ['create'];
  if (name === 'exec' || name === 'attach' || name === 'portforward') return ['create', 'get'];
  if (name === 'log') return ['get'];
  if (name === 'finalize') return ['update'];
  return ['get', 'patch', 'update'];
}

/** `APIResourceList` of one group and version: the older form of discovery. */
export function apiResourceList(registry: ResourceRegistry, group: string, version: string): JsonObject {
  const resources = registry.resourcesOf(group, version).flatMap((resource) => {
    const own: JsonObject = {
      name: resource.plural,
      singularName: resource.singular,
      namespaced: resource.namespaced,
      kind: resource.kind,
      verbs: [...resource.verbs],
    };
    if (resource.shortNames.length > 0) own['shortNames'] = [...resource.shortNames];
    if (resource.categories.length > 0) own['categories'] = [...resource.categories];
    const subresources = resource.subresources.map((name): JsonObject => {
      const other = SUBRESOURCE_KINDS[name];
      return {
        name: `${resource.plural}/${name}`,
        singularName: '',
        namespaced: resource.namespaced,
        kind: other?.[2] ?? resource.kind,
        ...(other === undefined ? {} : { group: other[0], version: other[1] }),
        verbs: subresourceVerbs(name),
      };
    });
    return [own, ...subresources];
  });
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: apiVersionOf(group, version), resources };
}

/** `APIGroup` of a named group. */
export function apiGroup(registry: ResourceRegistry, group: string): JsonObject {
  const versions = registry.versions(group).map((version) => ({ groupVersion: apiVersionOf(group, version), version }));
  return { kind: 'APIGroup', apiVersion: 'v1', name: group, versions, preferredVersion: versions[0] ?? {} };
}

export function apiGroupList(registry: ResourceRegistry): JsonObject {
  const groups = registry
    .groups()
    .filter((group) => group !== '')
    .map((group) => {
      const { name, versions, preferredVersion } = apiGroup(registry, group);
      return { name: name ?? '', versions: versions ?? [], preferredVersion: preferredVersion ?? {} };
    });
  return { kind: 'APIGroupList', apiVersion: 'v1', groups };
}

/** `APIGroupDiscoveryList` (apidiscovery.k8s.io/v2) of the core group or of all others. */
export function aggregatedDiscovery(registry: ResourceRegistry, core: boolean): JsonObject {
  const items = registry
    .groups()
    .filter((group) => (group === '') === core)
    .map((group) => ({
      metadata: group === '' ? { creationTimestamp: null } : { name: group, creationTimestamp: null },
      versions: registry.versions(group).map((version) => ({
        version,
        freshness: 'Current',
        resources: registry.resourcesOf(group, version).map((resource) => discoveredResource(resource, version)),
      })),
    }));
  return { kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2', metadata: {}, items };
}

function discoveredResource(resource: Resource, version: string): JsonObject {
  const responseKind = { group: resource.group, version, kind: resource.kind };
  const subresources = resource.subresources.map((name): JsonObject => {
    const [group, otherVersion, kind] = SUBRESOURCE_KINDS[name] ?? [resource.group, version, resource.kind];
    return { subresource: name, responseKind: { group, version: otherVersion, kind }, verbs: subresourceVerbs(name) };
  });
  return {
    resource: resource.plural,
    responseKind,
    scope: resource.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: resource.singular,
    verbs: [...resource.verbs],
    ...(resource.shortNames.length > 0 ? { shortNames: [...resource.shortNames] } : {}),
    ...(resource.categories.length > 0 ? { categories: [...resource.categories] } : {}),
    ...(subresources.length > 0 ? { subresources } : {}),
  };
}
