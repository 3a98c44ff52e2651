import type { MeshProxy, MeshSnapshot } from '@xebec/model';
import { type Service, type ServicePort, sidecarScope } from '@xebec/model';
import { referenceTo } from '@xebec/translate';
import type { HostAndPort } from './call.ts';
import type { Journey } from './explanation.ts';

/** Stands for the address of a host outside, which only DNS knows. It is of a block that nobody has (RFC 5737). */
export const UNKNOWN_ADDRESS = '203.0.113.1';

/** Where the application's connection goes before anything redirects it. */
export interface Destination {
  /** The service that the name or address stands for, as the caller sees it. */
  readonly service: Service | undefined;
  readonly port: ServicePort | undefined;
  readonly address: string;
}

/** Resolves a host as the caller's DNS would: the search list of its namespace, the services it may see, then the world. */
export function resolveDestination(snapshot: MeshSnapshot, proxy: MeshProxy, { host, port }: HostAndPort, journey: Journey): Destination {
  const { services } = sidecarScope(snapshot, proxy);
  const service = services.find((candidate) => matchesName(candidate, host, proxy.namespace, snapshot.domain));
  if (service === undefined) {
    const hidden = snapshot.services.find((candidate) => matchesName(candidate, host, proxy.namespace, snapshot.domain));
    const isAddress = /^[\d.]+$|:/.test(host);
    journey.add({
      place: 'mesh',
      topic: 'host',
      decision: isAddress
        ? `${host} is no service's address`
        : `${host} is no service that ${proxy.name}.${proxy.namespace} sees: DNS decides`,
      passedOver:
        hidden === undefined
          ? []
          : [
              {
                what: hidden.hostname,
                because: `not visible from namespace ${proxy.namespace} (exportTo, or the Sidecar's egress)`,
                origins: originOf(snapshot, hidden),
              },
            ],
    });
    return { service: undefined, port: undefined, address: isAddress ? host : UNKNOWN_ADDRESS };
  }
  const servicePort = service.ports.find(({ number }) => number === port);
  const address = addressOf(snapshot, service, servicePort);
  journey.add({
    place: 'mesh',
    topic: 'host',
    decision: `${host} is ${service.hostname}, ${address === UNKNOWN_ADDRESS ? 'at an address that DNS knows' : `at ${address}`}`,
    details: [
      servicePort === undefined
        ? `it has no port ${port}; its ports: ${service.ports.map((one) => `${one.number} ${one.name}`).join(', ')}`
        : `port ${port} ${servicePort.name === '' ? '' : `"${servicePort.name}" `}speaks ${servicePort.protocol === 'auto' ? 'what is sniffed' : servicePort.protocol}`,
    ],
    origins: originOf(snapshot, service),
  });
  return { service, port: servicePort, address };
}

function originOf(snapshot: MeshSnapshot, service: Service) {
  const source = snapshot.sourceOf(service);
  return source === undefined ? [] : [referenceTo(source)];
}

/** A headless service has no address of its own: DNS gives those of its endpoints. */
function addressOf(snapshot: MeshSnapshot, service: Service, port: ServicePort | undefined): string {
  const [own] = service.addresses.filter((address) => address !== '0.0.0.0');
  if (own !== undefined) return own.split('/')[0] ?? own;
  const endpoints = port === undefined ? snapshot.allEndpoints(service) : snapshot.endpoints(service, port.name);
  return (service.headless ? endpoints[0]?.address : undefined) ?? UNKNOWN_ADDRESS;
}

function matchesName(service: Service, host: string, namespace: string, domain: string): boolean {
  const { hostname } = service;
  if (hostname.startsWith('*.')) return host.endsWith(hostname.slice(1)) && host.length >= hostname.length;
  const bare = host.endsWith('.') ? host.slice(0, -1) : host;
  if (bare === hostname || service.addresses.includes(host)) return true;
  return [`${bare}.${namespace}.svc.${domain}`, `${bare}.svc.${domain}`, `${bare}.${domain}`].includes(hostname);
}
