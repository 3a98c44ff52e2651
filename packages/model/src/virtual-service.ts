import type { ConfigObject, VirtualServiceSpec } from '@xebec/schemas';
import { compareHosts, hostCovers, resolveHost } from './host.ts';
import type { MeshSnapshot } from './snapshot.ts';
import { isVisible } from './visibility.ts';

export type VirtualService = ConfigObject<VirtualServiceSpec>;

/** Gateway name that stands for every sidecar. */
export const MESH_GATEWAY = 'mesh';

/** The hosts of a VirtualService, fully qualified. */
export function virtualServiceHosts(config: VirtualService, domain: string): string[] {
  return (config.spec.hosts ?? []).map((host) => resolveHost(host, config.metadata.namespace, domain));
}

/** The gateways a VirtualService is bound to: `mesh` and `namespace/name`. */
export function virtualServiceGateways(config: VirtualService): string[] {
  const gateways = config.spec.gateways;
  if (gateways === undefined || gateways.length === 0) return [MESH_GATEWAY];
  return gateways.map((name) => qualifyGateway(name, config.metadata.namespace));
}

/** `namespace/name` of a gateway as a VirtualService of `namespace` names it. */
export function qualifyGateway(name: string, namespace: string): string {
  if (name === MESH_GATEWAY || name.includes('/')) return name;
  // Before namespaces could be written with a slash, `name.namespace.svc…` was a gateway's full name.
  const [short, other] = name.split('.');
  return other === undefined ? `${namespace}/${name}` : `${other}/${short}`;
}

/**
 * VirtualServices that apply to a gateway (`mesh` or `namespace/name`) and are visible from `viewer`: first those that the viewer's
 * namespace keeps to itself, then those exported to it by name, then those for everybody, each oldest first.
 */
export function virtualServicesFor(snapshot: MeshSnapshot, gateway: string, viewer: string): VirtualService[] {
  const fallback = snapshot.mesh.defaultVirtualServiceExportTo ?? ['*'];
  const visible = snapshot.config.all('VirtualService').filter(
    (config) =>
      // Without hosts it is a delegate: of no effect but where another one refers to it.
      (config.spec.hosts?.length ?? 0) > 0 &&
      virtualServiceGateways(config).includes(gateway) &&
      isVisible(config.spec.exportTo, config.metadata.namespace, viewer, fallback),
  );
  const circle = ({ spec }: VirtualService) => {
    const list = spec.exportTo === undefined || spec.exportTo.length === 0 ? fallback : spec.exportTo;
    if (list.includes('*')) return EVERYBODY;
    return list.includes(viewer) ? BY_NAME : OWN;
  };
  return [OWN, BY_NAME, EVERYBODY].flatMap((rank) => visible.filter((config) => circle(config) === rank));
}

/** For whom a VirtualService is: the narrower the circle, the earlier it counts. */
const OWN = 0;
const BY_NAME = 1;
const EVERYBODY = 2;

/** Finds the VirtualService that rules a hostname. */
export type VirtualServiceLookup = (hostname: string) => VirtualService | undefined;

/**
 * A lookup over VirtualServices that are sorted oldest first: the most specific host wins, then the oldest object; they
 * are never merged.
 */
export function virtualServiceLookup(configs: readonly VirtualService[], domain: string): VirtualServiceLookup {
  const exact = new Map<string, VirtualService>();
  const wildcards: { host: string; config: VirtualService }[] = [];
  for (const config of configs)
    for (const host of virtualServiceHosts(config, domain)) {
      if (host.startsWith('*')) wildcards.push({ host, config });
      else if (!exact.has(host)) exact.set(host, config);
    }
  // The sort is stable, so the older of two equal hosts stays in front.
  wildcards.sort((a, b) => compareHosts(a.host, b.host));
  return (hostname) => exact.get(hostname) ?? wildcards.find(({ host }) => hostCovers(host, hostname))?.config;
}
