import type { ResourceRegistry } from './registry.ts';
import type { Resource } from './resource.ts';

/** A request path that names a resource. */
export interface ResourcePath {
  readonly resource: Resource;
  readonly version: string;
  /** '' for cluster-scoped kinds, and for lists across namespaces. */
  readonly namespace: string;
  /** '' for a collection. */
  readonly name: string;
  readonly subresource: string;
  /** The deprecated `/watch/` form. */
  readonly watch: boolean;
}

/** Reads `/api/v1/namespaces/a/pods/b/log` and the like; undefined when no known resource has such a path. */
export function parseResourcePath(registry: ResourceRegistry, pathname: string): ResourcePath | undefined {
  let parts: string[];
  try {
    parts = pathname
      .split('/')
      .filter((part) => part !== '')
      .map(decodeURIComponent);
  } catch {
    return undefined;
  }
  let group = '';
  if (parts[0] === 'apis') group = parts[1] ?? '';
  else if (parts[0] !== 'api') return undefined;
  let rest = parts.slice(parts[0] === 'apis' ? 2 : 1);
  const [version = ''] = rest;
  rest = rest.slice(1);
  const watch = rest[0] === 'watch';
  if (watch) rest = rest.slice(1);
  let namespace = '';
  // `namespaces/a/pods` is in a namespace; `namespaces/a` and its two subresources are the namespace itself.
  if (rest[0] === 'namespaces' && rest.length >= 3 && !(rest.length === 3 && (rest[2] === 'status' || rest[2] === 'finalize'))) {
    namespace = rest[1] ?? '';
    rest = rest.slice(2);
  }
  const [plural = '', name = '', subresource = '', ...more] = rest;
  const resource = registry.find(group, version, plural);
  if (resource === undefined || more.length > 0) return undefined;
  if (namespace !== '' && !resource.namespaced) return undefined;
  if (name !== '' && resource.namespaced && namespace === '') return undefined;
  if (subresource !== '' && !resource.subresources.includes(subresource)) return undefined;
  return { resource, version, namespace, name, subresource, watch };
}

/** The verb that authorization sees. */
export function verbOf(method: string, path: ResourcePath, isWatch: boolean): string {
  switch (method) {
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return path.name === '' ? 'deletecollection' : 'delete';
    default:
      return isWatch ? 'watch' : path.name === '' ? 'list' : 'get';
  }
}
