import type { MeshProxy } from './proxy.ts';
import type { MeshSnapshot } from './snapshot.ts';

/**
 * The proxy with the locality that the registries know of its workload: a proxy seldom knows on which node, and so in which zone, it
 * runs. Where they know none, its own word counts.
 */
export function placedProxy(snapshot: Pick<MeshSnapshot, 'workloadAt'>, proxy: MeshProxy): MeshProxy {
  for (const address of proxy.addresses) {
    const workload = snapshot.workloadAt(address);
    if (workload === undefined || workload.namespace !== proxy.namespace) continue;
    const { region, zone, subzone } = workload.locality;
    if (region !== '' || zone !== '' || subzone !== '') return { ...proxy, locality: workload.locality };
  }
  return proxy;
}
