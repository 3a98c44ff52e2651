import { at, clone, isObject, type JsonObject, type KubeObject, numberAt, objectAt } from './object.ts';
import type { Resource } from './resource.ts';
import { labelSelectorText } from './selectors.ts';
import { badRequest } from './status.ts';

function paths(resource: Resource, version: string): { spec: string[]; status: string[]; selector: string[] } {
  const declared = resource.versions.find(({ name }) => name === version)?.scale;
  const split = (path: string | undefined, fallback: string) =>
    (path === undefined || path === '' ? fallback : path).split('.').filter((step) => step !== '');
  return {
    spec: split(declared?.specReplicasPath, '.spec.replicas'),
    status: split(declared?.statusReplicasPath, '.status.replicas'),
    selector: split(declared?.labelSelectorPath, '.spec.selector'),
  };
}

/** The `autoscaling/v1 Scale` of an object. */
export function scaleOf(resource: Resource, version: string, object: KubeObject): JsonObject {
  const { spec, status, selector } = paths(resource, version);
  const found = at(object, ...selector);
  const { name, namespace = '', uid = '', resourceVersion = '', creationTimestamp = null } = object.metadata;
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: numberAt(object, ...spec) ?? 0 },
    status: { replicas: numberAt(object, ...status) ?? 0, selector: typeof found === 'string' ? found : labelSelectorText(found) },
  };
}

/** The object with the replicas that a Scale asks for. */
export function withScale(resource: Resource, version: string, object: KubeObject, scale: JsonObject): KubeObject {
  const replicas = numberAt(scale, 'spec', 'replicas') ?? 0;
  if (replicas < 0) throw badRequest('spec.replicas: must be greater than or equal to 0');
  const changed = clone(object);
  const steps = paths(resource, version).spec;
  const last = steps.at(-1) ?? 'replicas';
  const parent = objectAt(changed, ...steps.slice(0, -1));
  if (isObject(parent)) parent[last] = replicas;
  const wanted = at(scale, 'metadata', 'resourceVersion');
  if (typeof wanted === 'string' && wanted !== '') changed.metadata.resourceVersion = wanted;
  return changed;
}
