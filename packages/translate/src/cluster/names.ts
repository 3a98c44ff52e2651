/** `outbound|9080|v1|reviews.default.svc.cluster.local`. */
export function outboundCluster(port: number, subset: string | undefined, hostname: string): string {
  return `outbound|${port}|${subset ?? ''}|${hostname}`;
}

/** `inbound|9080||`. */
export function inboundCluster(port: number): string {
  return `inbound|${port}||`;
}

/** Server name of mesh mTLS: `outbound_.9080_.v1_.reviews.default.svc.cluster.local`. */
export function meshServerName(port: number, subset: string | undefined, hostname: string): string {
  return `outbound_.${port}_.${subset === undefined || subset === '' ? '_' : `${subset}_`}.${hostname}`;
}

export interface OutboundClusterName {
  readonly port: number;
  readonly subset: string;
  readonly hostname: string;
}

/** The parts of an outbound cluster's name, in either spelling, or undefined when it is not one. */
export function parseOutboundCluster(name: string): OutboundClusterName | undefined {
  const dns = /^outbound_\.(\d+)_\.(.*?)_\.(.+)$/.exec(name);
  const [direction, port, subset, hostname, ...rest] = dns === null ? name.split('|') : ['outbound', dns[1], dns[2], dns[3]];
  if (direction !== 'outbound' || subset === undefined || hostname === undefined || rest.length > 0) return undefined;
  const number = Number(port);
  return Number.isInteger(number) ? { port: number, subset, hostname } : undefined;
}

export const BLACK_HOLE = 'BlackHoleCluster';
export const PASSTHROUGH = 'PassthroughCluster';
export const INBOUND_PASSTHROUGH = 'InboundPassthroughCluster';
