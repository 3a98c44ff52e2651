import type { MeshProxy } from '@xebec/model';
import type { RouteConfiguration } from '@xebec/protos/envoy/config/route/v3/route';
import { listsEverything } from '../extensions.ts';
import type { Generated } from '../generated.ts';

/** Leaves out what routes say to HTTP filters that the proxy lacks: it would refuse the whole configuration for a type it cannot read. */
export function withoutMissingConfig(proxy: MeshProxy, generated: Generated<RouteConfiguration>): Generated<RouteConfiguration> {
  const { virtualHosts } = generated.message;
  if (!listsEverything(proxy) || !virtualHosts.some(({ routes }) => routes.some((route) => lacks(proxy, route.typedPerFilterConfig))))
    return generated;
  const message: RouteConfiguration = {
    ...generated.message,
    virtualHosts: virtualHosts.map((host) => ({
      ...host,
      routes: host.routes.map((route) => ({
        ...route,
        typedPerFilterConfig: Object.fromEntries(Object.entries(route.typedPerFilterConfig).filter(([name]) => proxy.extensions.has(name))),
      })),
    })),
  };
  return { ...generated, message };
}

function lacks({ extensions }: MeshProxy, configs: Readonly<Record<string, unknown>>): boolean {
  for (const name in configs) if (!extensions.has(name)) return true;
  return false;
}
