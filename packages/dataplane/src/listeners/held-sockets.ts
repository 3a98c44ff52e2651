import type { Logger } from '@xebec/core';
import { addressText, type EndpointAddress } from '../net/endpoint-address.ts';
import { type BoundSocket, openSocket, type SocketOpener } from './listening-socket.ts';
import { openSocketCalls } from './socket-calls.ts';

/** Sockets that are listened on before their listeners are there. */
export interface HeldSockets {
  /** Opens a listener's socket: the one that is held for its address, with all who wait in its queue, or a new one. */
  readonly open: SocketOpener;
  /** Ends the wait of connections for which no listener has come. */
  release(): void;
}

/** How many connections wait for a listener; more are refused by the kernel. */
const heldBacklog = 4096;

/**
 * Takes addresses at once, so that connections which iptables redirect wait in the kernel's queue instead of being refused while the
 * first configuration is on its way. An address that cannot be had is left for its listener to report.
 */
export function holdSockets(addresses: readonly EndpointAddress[], transparent: boolean, logger: Logger): HeldSockets {
  const held = new Map<string, BoundSocket>();
  for (const address of addresses) {
    const request = { address, reusePort: true, transparent, freebind: false, ipv4Compat: false, options: [] };
    try {
      const bound = openSocket(request, 'hold');
      if (startQueue(bound)) held.set(addressText(address), bound);
      else bound.close();
    } catch (error) {
      logger.warn({ address: addressText(address) }, `early connections are refused: ${error instanceof Error ? error.message : ''}`);
    }
  }
  return {
    open(request, where) {
      const key = addressText(request.address);
      const bound = held.get(key);
      if (bound === undefined) return openSocket(request, where);
      held.delete(key);
      const fits = request.reusePort && request.transparent === transparent && !request.freebind && request.options.length === 0;
      if (fits) return bound;
      bound.close();
      return openSocket(request, where);
    },
    release() {
      for (const bound of held.values()) bound.close();
      held.clear();
    },
  };
}

/** Lets the kernel complete handshakes; nobody accepts yet. False where sockets are bound only when they are listened on. */
function startQueue(bound: BoundSocket): boolean {
  const calls = openSocketCalls();
  const target = bound.target();
  if (typeof calls === 'string' || target.kind !== 'fd') return false;
  // The queue belongs to the socket, not to this descriptor of it.
  const result = calls.listen(target.fd, heldBacklog);
  calls.close(target.fd);
  return result >= 0;
}
