import type { ConfigObject, SidecarSpec } from '@xebec/schemas';
import { parseProtocol } from './protocol.ts';
import type { MeshProxy } from './proxy.ts';
import type { Service } from './service.ts';
import type { ServiceInstance } from './service-instances.ts';

/**
 * The ports that a Sidecar's `ingress` declares, as instances; undefined when it declares none and the services of the
 * workload decide. `defaultEndpoint` may be `127.0.0.1:port`, or `0.0.0.0:port` for the workload's own address; a Unix
 * socket is not supported and leaves the port to be found by its number.
 */
export function ingressInstances(
  sidecar: ConfigObject<SidecarSpec> | undefined,
  proxy: MeshProxy,
  instances: readonly ServiceInstance[],
): ServiceInstance[] | undefined {
  const ingress = sidecar?.spec.ingress;
  if (ingress === undefined || ingress.length === 0) return undefined;
  return ingress.flatMap((entry) => {
    const number = entry.port.number;
    if (number === undefined || number === 0) return [];
    const served = instances.find((instance) => instance.targetPort === number);
    const endpoint = parseEndpoint(entry.defaultEndpoint, proxy);
    return [
      {
        service: served?.service ?? standIn(proxy),
        port: {
          name: entry.port.name ?? `port-${number}`,
          number: served?.port.number ?? number,
          protocol: entry.port.protocol === undefined ? (served?.port.protocol ?? 'auto') : parseProtocol(entry.port.protocol),
        },
        targetPort: number,
        ...(endpoint === undefined ? {} : { endpoint }),
      },
    ];
  });
}

function parseEndpoint(text: string | undefined, proxy: MeshProxy): { address: string; port: number } | undefined {
  if (text === undefined || text === '' || text.startsWith('unix:')) return undefined;
  const colon = text.lastIndexOf(':');
  const host = text.slice(0, colon);
  const port = Number(text.slice(colon + 1));
  if (!(port > 0)) return undefined;
  return { address: host === '0.0.0.0' ? (proxy.addresses[0] ?? proxy.appAddress) : proxy.appAddress, port };
}

/** A port that no service names still needs a name in spans and metadata. */
function standIn(proxy: MeshProxy): Service {
  return {
    hostname: `sidecar.${proxy.namespace}`,
    name: 'sidecar',
    namespace: proxy.namespace,
    registry: 'external',
    addresses: [],
    ports: [],
    resolution: 'client-side',
    meshExternal: false,
    headless: false,
    exportTo: [],
    labels: {},
    creationTimestamp: '',
    subjectAltNames: [],
  };
}
