import type { Protocol } from './service.ts';

const BY_NAME: Readonly<Record<string, Protocol>> = {
  http: 'http',
  http2: 'http2',
  grpc: 'grpc',
  'grpc-web': 'grpc-web',
  https: 'https',
  tls: 'tls',
  tcp: 'tcp',
  mongo: 'mongo',
  redis: 'redis',
  mysql: 'mysql',
  udp: 'udp',
};

const BY_APP_PROTOCOL: Readonly<Record<string, Protocol>> = {
  'kubernetes.io/h2c': 'http2',
  'kubernetes.io/ws': 'http',
  'kubernetes.io/wss': 'https',
};

/** Ports where the server speaks first, or the protocol is known not to be HTTP: sniffing there would wait for ever. */
const SERVER_FIRST_PORTS: ReadonlySet<number> = new Set([25, 53, 3306, 27017]);

export interface PortNaming {
  /** `http-web`, `grpc`, …: the part before the first `-` names the protocol. */
  readonly name?: string;
  readonly appProtocol?: string;
  readonly number: number;
  readonly transport?: 'TCP' | 'UDP' | 'SCTP';
}

/**
 * The protocol of a Kubernetes service port, as Istio selects it: `appProtocol` if it is set, even if nobody knows it, else the name.
 * `auto` where nothing says.
 */
export function protocolOfPort(port: PortNaming): Protocol {
  if (port.transport === 'UDP' || port.transport === 'SCTP') return 'udp';
  const standard = lookUp(BY_APP_PROTOCOL, port.appProtocol ?? '');
  if (standard !== undefined) return standard;
  const name = (port.appProtocol ?? port.name ?? '').toLowerCase();
  if (name.startsWith('grpc-web')) return 'grpc-web';
  const known = lookUp(BY_NAME, name.split('-')[0] ?? '');
  if (known !== undefined) return known;
  return SERVER_FIRST_PORTS.has(port.number) ? 'tcp' : 'auto';
}

/** The protocol that configuration spells out (`HTTP`, `GRPC-WEB`, …): Gateway servers, ServiceEntry and Sidecar ports. */
export function parseProtocol(text: string | undefined): Protocol {
  return lookUp(BY_NAME, (text ?? '').toLowerCase()) ?? 'auto';
}

/** A port may be called `constructor`, which every object has. */
function lookUp(table: Readonly<Record<string, Protocol>>, name: string): Protocol | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

export function isHttp(protocol: Protocol): boolean {
  return protocol === 'http' || protocol === 'http2' || protocol === 'grpc' || protocol === 'grpc-web';
}

export function isHttp2(protocol: Protocol): boolean {
  return protocol === 'http2' || protocol === 'grpc' || protocol === 'grpc-web';
}

export function isTls(protocol: Protocol): boolean {
  return protocol === 'https' || protocol === 'tls';
}

/** Everything that is neither HTTP nor sniffed: TLS and the plain TCP protocols. */
export function isTcp(protocol: Protocol): boolean {
  return !isHttp(protocol) && protocol !== 'auto' && protocol !== 'udp';
}
