import { integer, records, stringMap, text, texts } from './fields.ts';
import type { Resource } from './resource.ts';
import type { Labels } from './selectors.ts';

/** A host that traffic can be sent to: a Service, or a host of a ServiceEntry. */
export interface KnownHost {
  readonly hostname: string;
  readonly ports: readonly number[];
  /** Labels of the ServiceEntry's workload selector; empty for Services. */
  readonly workloadLabels: Labels;
  readonly resource: Resource;
}

export interface HostIndex {
  readonly all: readonly KnownHost[];
  /** What `host` means in an object of a namespace with that `exportTo`; undefined where nothing visible has the name. */
  find(namespace: string, exportTo: readonly string[], host: string): KnownHost | undefined;
}

/** A short name belongs to the namespace of the object; names with a dot and wildcards stand as written. */
export function toFqdn(namespace: string, host: string, domain: string): string {
  return host.startsWith('*') || host.includes('.') ? host : `${host}.${namespace}.svc.${domain}`;
}

/** Namespace and name of the Service behind a full name; for any other host, the host itself in the namespace given. */
export function serviceOfHost(namespace: string, host: string, domain: string): string {
  const suffix = `.svc.${domain}`;
  if (host.endsWith(suffix)) {
    const rest = host.slice(0, -suffix.length);
    const dot = rest.lastIndexOf('.');
    if (dot > 0) return `${rest.slice(dot + 1)}/${rest.slice(0, dot)}`;
  }
  return `${namespace}/${host}`;
}

export function isExportedToAll(exportTo: readonly string[]): boolean {
  return exportTo.length === 0 || exportTo.includes('*');
}

/** The namespaces that `exportTo` means, `*` for all. */
export function scopesOf(exportTo: readonly string[], namespace: string): readonly string[] {
  if (isExportedToAll(exportTo)) return ['*'];
  return [...new Set(exportTo.map((scope) => (scope === '.' ? namespace : scope)))];
}

/** Hosts by scope and full name, as istioctl looks them up: exact names first, then wildcards of ServiceEntries. */
export function createHostIndex(services: readonly Resource[], entries: readonly Resource[], domain: string): HostIndex {
  const byScope = new Map<string, KnownHost>();
  const all: KnownHost[] = [];
  const wildcards: { scope: string; suffix: string; host: KnownHost }[] = [];
  const add = (scopes: readonly string[], host: KnownHost): void => {
    all.push(host);
    for (const scope of scopes) {
      byScope.set(`${scope}/${host.hostname}`, host);
      if (host.hostname.startsWith('*')) wildcards.push({ scope, suffix: host.hostname.slice(1), host });
    }
  };
  for (const resource of entries) {
    const ports = records(resource.spec['ports']).map((port) => integer(port['number']));
    const selector = resource.spec['workloadSelector'];
    const workloadLabels = stringMap(records([selector])[0]?.['labels']);
    const scopes = scopesOf(texts(resource.spec['exportTo']), resource.namespace);
    for (const host of texts(resource.spec['hosts']))
      add(scopes, { hostname: toFqdn(resource.namespace, host, domain), ports, workloadLabels, resource });
  }
  for (const resource of services) {
    const exported = text(resource.annotations['networking.istio.io/exportTo'])
      .split(',')
      .map((scope) => scope.trim())
      .filter((scope) => scope !== '');
    const ports = records(resource.spec['ports']).map((port) => integer(port['port']));
    const hostname = `${resource.name}.${resource.namespace}.svc.${domain}`;
    add(scopesOf(exported, resource.namespace), { hostname, ports, workloadLabels: {}, resource });
  }
  return {
    all,
    find(namespace, exportTo, host) {
      const fqdn = toFqdn(namespace, host, domain);
      const scopes = exportTo.length === 0 ? [namespace] : exportTo.map((scope) => (scope === '.' ? namespace : scope));
      for (const scope of ['*', ...scopes]) {
        const found = byScope.get(`${scope}/${fqdn}`);
        if (found !== undefined) return found;
      }
      const bare = host.startsWith('*') ? host.slice(1) : host;
      return wildcards.find(({ scope, suffix }) => (scope === '*' || scope === namespace) && bare.endsWith(suffix))?.host;
    },
  };
}
