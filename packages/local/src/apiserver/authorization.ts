import type { UserInfo } from './engine.ts';
import { type JsonObject, type KubeObject, objectsAt, textAt, textsAt } from './object.ts';
import type { ObjectStore } from './store.ts';

export interface AccessQuery {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  /** Set for requests to no resource, such as `/version`. */
  readonly path?: string;
}

const RBAC = 'rbac.authorization.k8s.io';
/** Paths anyone with an identity may read. */
const PUBLIC_PATH = /^\/(?:version|healthz|livez|readyz|api|apis|openapi|\.well-known|openid)(?:\/|$)/;
/** What any identity may ask about itself or about a token it was shown. */
const OPEN_REVIEWS = new Set(['selfsubjectreviews', 'selfsubjectaccessreviews', 'selfsubjectrulesreviews', 'tokenreviews']);

/** Decides by the stored RBAC objects; members of `system:masters` may do everything. */
export function isAllowed(store: ObjectStore, user: UserInfo, query: AccessQuery): boolean {
  if (user.groups.includes('system:masters')) return true;
  if (query.path !== undefined)
    return (query.verb === 'get' && PUBLIC_PATH.test(query.path)) || rulesOf(store, user, '').some((rule) => allowsPath(rule, query));
  if (query.verb === 'create' && OPEN_REVIEWS.has(query.resource)) return true;
  return rulesOf(store, user, query.namespace).some((rule) => allows(rule, query));
}

/** Every rule that binds a user in a namespace, cluster-wide ones included. */
export function rulesOf(store: ObjectStore, user: UserInfo, namespace: string): JsonObject[] {
  const cluster = store.list(`clusterrolebindings.${RBAC}`).filter((binding) => bindsUser(binding, user, ''));
  const local =
    namespace === '' ? [] : store.list(`rolebindings.${RBAC}`, namespace).filter((binding) => bindsUser(binding, user, namespace));
  return [...cluster, ...local].flatMap((binding) => {
    const name = textAt(binding, 'roleRef', 'name');
    const role =
      textAt(binding, 'roleRef', 'kind') === 'Role'
        ? store.get(`roles.${RBAC}`, namespace, name)
        : store.get(`clusterroles.${RBAC}`, '', name);
    return role === undefined ? [] : objectsAt(role, 'rules');
  });
}

function bindsUser(binding: KubeObject, user: UserInfo, namespace: string): boolean {
  return objectsAt(binding, 'subjects').some((subject) => {
    const name = textAt(subject, 'name');
    switch (textAt(subject, 'kind')) {
      case 'User':
        return name === user.username;
      case 'Group':
        return user.groups.includes(name);
      case 'ServiceAccount':
        return user.username === `system:serviceaccount:${textAt(subject, 'namespace') || namespace}:${name}`;
      default:
        return false;
    }
  });
}

function covers(list: readonly string[], value: string): boolean {
  return list.includes('*') || list.includes(value);
}

function allows(rule: JsonObject, { verb, group, resource, subresource, name }: AccessQuery): boolean {
  if (!covers(textsAt(rule, 'verbs'), verb) || !covers(textsAt(rule, 'apiGroups'), group)) return false;
  const resources = textsAt(rule, 'resources');
  const full = subresource === '' ? resource : `${resource}/${subresource}`;
  if (!covers(resources, full) && !(subresource !== '' && resources.includes(`*/${subresource}`))) return false;
  const names = textsAt(rule, 'resourceNames');
  return names.length === 0 || names.includes(name);
}

function allowsPath(rule: JsonObject, { verb, path = '' }: AccessQuery): boolean {
  if (!covers(textsAt(rule, 'verbs'), verb)) return false;
  return textsAt(rule, 'nonResourceURLs').some((url) => url === path || (url.endsWith('*') && path.startsWith(url.slice(0, -1))));
}
