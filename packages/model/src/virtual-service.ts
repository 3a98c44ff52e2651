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

/** VirtualServices that apply to a gateway (`mesh` or `namespace/name`) and are visible from `viewer`, oldest first. */
export function virtualServicesFor(snapshot: MeshSnapshot, gateway: string, viewer: string): VirtualService[] {
  const fallback = snapshot.mesh.defaultVirtualServiceExportTo ?? ['*'];
  return snapshot.config
    .all('VirtualService')
    .filter(
      (config) =>
        virtualServiceGateways(config).includes(gateway) && isVisible(config.spec.exportTo, config.metadata.namespace, viewer, fallback),
    );
}

/** The VirtualService that rules a host: the most specific host wins, then the oldest object; they are never merged. */
export function virtualServiceOf(configs: readonly VirtualService[], hostname: string, domain: string): VirtualService | undefined {
  let best: { config: VirtualService; host: string } | undefined;
  for (const config of configs) {
    for (const host of virtualServiceHosts(config, domain)) {
      if (!hostCovers(host, hostname)) continue;
      if (best === undefined || compareHosts(host, best.host) < 0) best = { config, host };
    }
  }
  return best?.config;
}
