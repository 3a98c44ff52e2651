import type { MeshProxy } from '@xebec/model';
import type { ConfigObject, WorkloadGroupSpec } from '@xebec/schemas';

/** Annotations of Istio's on WorkloadEntries that describe connected workloads. */
export const GROUP = 'istio.io/autoRegistrationGroup';
export const CONTROLLER = 'istio.io/workloadController';
export const CONNECTED_AT = 'istio.io/connectedAt';
export const DISCONNECTED_AT = 'istio.io/disconnectedAt';
export const HEALTH_CHECKED = 'proxy.istio.io/health-checks-enabled';

const MAX_NAME = 253;
/** Its value holds slashes, which labels may not; the entry has a field for it. */
const LOCALITY_LABEL = 'istio-locality';

/** `group-address[-network]`, shortened from the front to what a name may have. */
export function entryName(group: string, proxy: MeshProxy): string {
  const address = (proxy.addresses[0] ?? '').replaceAll(':', '-');
  return [group, address, proxy.network]
    .filter((part) => part !== '')
    .join('-')
    .slice(-MAX_NAME);
}

/** The WorkloadEntry, as the API server takes it, of a proxy that registers with a group. The node's labels go before the group's. */
export function entryFromGroup(group: ConfigObject<WorkloadGroupSpec>, proxy: MeshProxy): Record<string, unknown> {
  const { spec, metadata } = group;
  const own = Object.fromEntries(Object.entries(proxy.labels).filter(([name]) => name !== LOCALITY_LABEL));
  const labels = { ...spec.template.labels, ...spec.metadata?.labels, ...own };
  const { region, zone, subzone } = proxy.locality;
  const locality = [region, zone, subzone].filter((part) => part !== '').join('/');
  const owner = { apiVersion: 'networking.istio.io/v1', kind: 'WorkloadGroup', name: metadata.name, uid: metadata.uid, controller: true };
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'WorkloadEntry',
    metadata: {
      name: entryName(metadata.name, proxy),
      namespace: proxy.namespace,
      labels,
      annotations: {
        [GROUP]: metadata.name,
        ...spec.metadata?.annotations,
        ...(hasProbe(group, proxy) ? { [HEALTH_CHECKED]: 'true' } : {}),
      },
      // The API server refuses an owner without its uid, which does not reach every source.
      ...(metadata.uid === '' ? {} : { ownerReferences: [owner] }),
    },
    spec: {
      ...spec.template,
      address: proxy.addresses[0] ?? '',
      labels,
      ...(proxy.network === '' ? {} : { network: proxy.network }),
      ...(locality === '' ? {} : { locality }),
    },
  };
}

/** Whether the agent checks the workload's health: the group says so, or the agent's own configuration. */
function hasProbe(group: ConfigObject<WorkloadGroupSpec>, proxy: MeshProxy): boolean {
  const config = proxy.metadata['PROXY_CONFIG'];
  const agent = typeof config === 'object' && config !== null && 'readinessProbe' in config && config.readinessProbe !== undefined;
  return agent || group.spec.probe !== undefined;
}
