import type { ConnectionInfo } from '@xebec/telemetry';
import type { RequestHead } from '@xebec/wire';

/** Where a request is to go through an ORIGINAL_DST cluster. */
export interface Destination {
  /** An IP address, or a name that the system resolves. */
  readonly address: string;
  readonly port: number;
}

/** Where the client's connection was going. */
export function originalDestination(connection: Pick<ConnectionInfo, 'localAddress' | 'localPort'>): Destination {
  return { address: connection.localAddress, port: connection.localPort };
}

/**
 * Where a client of an explicit proxy wants its request to go: connections end at the proxy, so only the request's host says it.
 * Undefined for the proxy itself, which would send to itself for ever, and for a host that is none.
 */
export function proxiedDestination(
  head: Pick<RequestHead, 'authority'>,
  connection: Pick<ConnectionInfo, 'localAddress' | 'localPort'>,
): Destination | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:/@\s]+))(?::(\d{1,5}))?$/.exec(head.authority);
  const address = match?.[1] ?? match?.[2];
  const port = Number(match?.[3] ?? '80');
  if (address === undefined || port < 1 || port > 65_535) return undefined;
  return address === connection.localAddress && port === connection.localPort ? undefined : { address, port };
}
