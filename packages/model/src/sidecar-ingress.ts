import type { ConfigObject, SidecarSpec } from '@xebec/schemas';
import { parseProtocol } from './protocol.ts';
import type { MeshProxy } from './proxy.ts';
import type { Protocol, Service } from './service.ts';
import type { IngressEndpoint, ServiceInstance } from './service-instance.ts';

/** Ports below are for privileged processes. */
const FIRST_UNPRIVILEGED_PORT = 1024;

/**
 * The ports that a Sidecar's `ingress` declares, as instances; undefined when it declares none and the services of the
 * workload decide. `defaultEndpoint` may be `127.0.0.1:port`, `0.0.0.0:port` for the workload's own address, the same in
 * IPv6, or `unix://path`. The first entry of a port stands.
 */
export function ingressInstances(
  sidecar: ConfigObject<SidecarSpec> | undefined,
  proxy: MeshProxy,
  instances: readonly ServiceInstance[],
): ServiceInstance[] | undefined {
  const ingress = sidecar?.spec.ingress;
  if (sidecar === undefined || ingress === undefined || ingress.length === 0) return undefined;
  const ports = new Set<number>();
  return ingress.flatMap((entry): ServiceInstance[] => {
    const number = entry.port.number;
    if (number === undefined || number === 0 || ports.has(number)) return [];
    const mode = entry.captureMode ?? 'DEFAULT';
    const bound = mode === 'DEFAULT' ? proxy.interceptionMode === 'NONE' : mode === 'NONE';
    if (bound && number < FIRST_UNPRIVILEGED_PORT && isUnprivileged(proxy)) return [];
    const endpoint = parseEndpoint(entry.defaultEndpoint, proxy);
    if (endpoint === 'malformed') return [];
    ports.add(number);
    const served = instances.find((instance) => instance.targetPort === number);
    const protocol = entry.port.protocol === undefined ? (served?.port.protocol ?? 'auto') : parseProtocol(entry.port.protocol);
    return [
      {
        service: served?.service ?? standIn(sidecar),
        port: { name: entry.port.name ?? `port-${number}`, number, protocol: entry.tls === undefined ? protocol : inside(protocol) },
        targetPort: number,
        declared: { sidecar, entry, bound },
        ...(endpoint === undefined ? {} : { endpoint }),
      },
    ];
  });
}

/** What TLS leaves when it ends in the proxy. */
function inside(protocol: Protocol): Protocol {
  return protocol === 'https' ? 'http' : protocol === 'tls' ? 'tcp' : protocol;
}

function isUnprivileged(proxy: MeshProxy): boolean {
  return proxy.metadata['UNPRIVILEGED_POD'] === 'true' || proxy.metadata['UNPRIVILEGED_POD'] === true;
}

/** Undefined: where the call was going. */
function parseEndpoint(text: string | undefined, proxy: MeshProxy): IngressEndpoint | 'malformed' | undefined {
  if (text === undefined || text === '') return undefined;
  if (text.startsWith('unix://')) return { path: text.slice('unix://'.length) };
  const colon = text.lastIndexOf(':');
  const host = text.slice(0, colon).replace(/^\[|\]$/g, '');
  const port = Number(text.slice(colon + 1));
  if (colon < 0 || !(port > 0)) return 'malformed';
  const v4 = proxy.addresses.find((address) => !address.includes(':'));
  const v6 = proxy.addresses.find((address) => address.includes(':'));
  switch (host) {
    case '0.0.0.0':
      return { address: v4 ?? proxy.appAddress, port };
    case '::':
      return { address: v6 ?? '::1', port };
    case '127.0.0.1':
      return { address: v4 === undefined ? '::1' : proxy.appAddress, port };
    case '::1':
      return { address: v6 === undefined ? proxy.appAddress : '::1', port };
    default:
      return undefined;
  }
}

/** A port that no service names still needs a name in spans and metadata: that of the Sidecar. */
function standIn(sidecar: ConfigObject<SidecarSpec>): Service {
  const { name, namespace } = sidecar.metadata;
  return {
    hostname: `${name}.${namespace}`,
    name,
    namespace,
    registry: 'external',
    addresses: [],
    ports: [],
    resolution: 'client-side',
    meshExternal: true,
    headless: false,
    exportTo: [],
    labels: {},
    creationTimestamp: '',
    subjectAltNames: [],
  };
}
