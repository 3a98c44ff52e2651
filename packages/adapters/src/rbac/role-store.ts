import type { TypedValue } from '@xebec/expressions';
import type { ClusterRbacConfigSpec, ConfigObject, ServiceRoleBindingSpec, ServiceRoleSpec } from '@xebec/schemas';
import type { AuthorizationRequest } from '../authorization-subject.ts';

const GROUP = 'rbac.istio.io/';
/** The one object that says where roles are enforced. */
const CONFIG_NAME = 'default';

type Subject = ServiceRoleBindingSpec['subjects'][number];
type AccessRule = ServiceRoleSpec['rules'][number];

interface Role {
  readonly rules: readonly AccessRule[];
  readonly subjects: readonly Subject[];
}

export type RbacVerdict = 'allowed' | 'denied' | 'not enforced';

/** ServiceRoles with who is bound to them, by namespace: replaced as a whole by whoever reads configuration, read by `rbac` handlers. */
export class RoleStore {
  #roles: ReadonlyMap<string, readonly Role[]> = new Map();
  #config: ClusterRbacConfigSpec | undefined;

  /** Takes the objects of `rbac.istio.io` among `all`; bindings to roles that are not there bind nobody. */
  replace(all: readonly ConfigObject[]): void {
    const objects = all.filter(({ apiVersion }) => apiVersion.startsWith(GROUP));
    const bindings = new Map<string, Subject[]>();
    for (const { kind, metadata, spec } of objects) {
      if (kind !== 'ServiceRoleBinding') continue;
      const { roleRef, subjects, mode } = spec as ServiceRoleBindingSpec; // decoded by its kind
      // What is on trial grants nothing.
      if (mode === 'PERMISSIVE') continue;
      const role = `${metadata.namespace}/${roleRef.name}`;
      bindings.set(role, [...(bindings.get(role) ?? []), ...subjects]);
    }
    const roles = new Map<string, Role[]>();
    for (const { kind, metadata, spec } of objects) {
      if (kind !== 'ServiceRole') continue;
      const { rules } = spec as ServiceRoleSpec; // decoded by its kind
      const subjects = bindings.get(`${metadata.namespace}/${metadata.name}`);
      if (subjects !== undefined) roles.set(metadata.namespace, [...(roles.get(metadata.namespace) ?? []), { rules, subjects }]);
    }
    const config = objects.find(({ kind, metadata }) => kind === 'ClusterRbacConfig' && metadata.name === CONFIG_NAME);
    this.#roles = roles;
    this.#config = config?.spec as ClusterRbacConfigSpec | undefined; // decoded by its kind
  }

  decide(request: AuthorizationRequest): RbacVerdict {
    if (!this.#enforced(request)) return 'not enforced';
    const { namespace, service, method, path } = request;
    // A request that does not say what it wants gets nothing.
    if (namespace === '' || service === '' || method === '' || path === '') return 'denied';
    const granted = (this.#roles.get(namespace) ?? []).some(
      ({ rules, subjects }) =>
        rules.some((rule) => ruleMatches(rule, request)) && subjects.some((subject) => subjectMatches(subject, request)),
    );
    return granted ? 'allowed' : 'denied';
  }

  /** Without a ClusterRbacConfig roles count wherever a rule of Mixer asks about them. */
  #enforced({ namespace, service }: AuthorizationRequest): boolean {
    const config = this.#config;
    if (config === undefined) return true;
    if (config.enforcementMode === 'PERMISSIVE') return false;
    const named = (target: ClusterRbacConfigSpec['inclusion']): boolean =>
      target?.namespaces?.includes(namespace) === true || (target?.services !== undefined && textMatches(service, target.services));
    switch (config.mode) {
      case 'ON':
        return true;
      case 'ON_WITH_INCLUSION':
        return named(config.inclusion);
      case 'ON_WITH_EXCLUSION':
        return !named(config.exclusion);
      default:
        return false;
    }
  }
}

function ruleMatches({ services, paths, methods, constraints }: AccessRule, request: AuthorizationRequest): boolean {
  return (
    textMatches(request.service, services) &&
    (paths === undefined || textMatches(request.path, paths)) &&
    (methods === undefined || textMatches(request.method, methods)) &&
    (constraints ?? []).every(({ key, values }) => {
      const property = textOf(request.actionProperties.get(key));
      return property !== undefined && textMatches(property, values);
    })
  );
}

/** All that a subject names must hold; one that names nothing is nobody. */
function subjectMatches({ user, group, properties = {} }: Subject, request: AuthorizationRequest): boolean {
  const wanted = Object.entries(properties);
  if ((user ?? '') === '' && (group ?? '') === '' && wanted.length === 0) return false;
  const groups = request.groups.split(',').map((name) => name.trim());
  return (
    ((user ?? '') === '' || user === '*' || user === request.user) &&
    ((group ?? '') === '' || group === '*' || group === request.groups || groups.includes(group ?? '')) &&
    wanted.every(([name, value]) => textOf(request.subjectProperties.get(name)) === value)
  );
}

/** Exact, `*`, `prefix*` or `*suffix`. */
function textMatches(text: string, patterns: readonly string[]): boolean {
  return patterns.some(
    (pattern) =>
      pattern === '*' ||
      pattern === text ||
      (pattern.endsWith('*') && text.startsWith(pattern.slice(0, -1))) ||
      (pattern.startsWith('*') && text.endsWith(pattern.slice(1))),
  );
}

function textOf(property: TypedValue | undefined): string | undefined {
  return typeof property?.value === 'string' ? property.value : undefined;
}
