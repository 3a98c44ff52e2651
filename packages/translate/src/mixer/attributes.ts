import { type MeshProxy, type MeshSnapshot, type Service, spiffeId } from '@xebec/model';
import type { Direction } from '../listener/http-filters.ts';

/** What is known of a service that is called: attributes of text. */
export function serviceTexts(service: Service) {
  return {
    'destination.service.host': service.hostname,
    'destination.service.name': service.name,
    'destination.service.namespace': service.namespace,
    'destination.service.uid': `istio://${service.namespace}/services/${service.name}`,
  };
}

/** What is true of all that a proxy checks or reports in a direction: text, and labels as a map of text. */
export function staticTexts(
  { mesh }: MeshSnapshot,
  proxy: MeshProxy,
  direction: Direction,
): Record<string, string | Record<string, string>> {
  const inbound = direction === 'inbound';
  const side = inbound ? 'destination' : 'source';
  const uid = `kubernetes://${proxy.name}.${proxy.namespace}`;
  const metadata = (name: string, otherwise: string): string => {
    const value = proxy.metadata[name];
    return typeof value === 'string' ? value : otherwise;
  };
  return {
    'context.reporter.kind': inbound ? 'inbound' : 'outbound',
    'context.reporter.uid': uid,
    'context.proxy_version': metadata('ISTIO_VERSION', ''),
    [`${side}.uid`]: uid,
    [`${side}.name`]: proxy.name,
    [`${side}.namespace`]: proxy.namespace,
    [`${side}.principal`]: spiffeId(mesh.trustDomain ?? 'cluster.local', proxy.namespace, proxy.serviceAccount).slice('spiffe://'.length),
    [`${side}.labels`]: { ...proxy.labels },
    [`${side}.workload.name`]: metadata('WORKLOAD_NAME', proxy.name),
    [`${side}.workload.namespace`]: proxy.namespace,
  };
}
