import { createServer, type Server, type Socket } from 'node:net';
import { errorText, XebecError } from '@xebec/core';
import { addressText, type EndpointAddress } from '../net/endpoint-address.ts';
import { type BoundSocket, type ListenTarget, openSocket, type SocketOpener, type SocketRequest } from './listening-socket.ts';

/** One address of one listener. */
export interface ListenRequest {
  /** Unique among what is listened on; the same in every thread. */
  readonly key: string;
  readonly where: string;
  readonly socket: SocketRequest;
  readonly backlog: number | undefined;
}

export interface ListenCallbacks {
  /** A new connection, paused. */
  accept(socket: Socket): void;
  /** Called once: connections are accepted (by every worker), or why they cannot be. */
  done(error: XebecError | undefined): void;
}

export interface ListeningSocket {
  /** With the real port; undefined while it is not known. */
  readonly address: EndpointAddress | undefined;
  close(): void;
}

/** Where the sockets of listeners are listened on: in this thread, or by workers. */
export interface ListenerSockets {
  /** How many threads accept. */
  readonly acceptors: number;
  listen(request: ListenRequest, callbacks: ListenCallbacks): ListeningSocket;
}

/** Linux caps it at net.core.somaxconn, which is Envoy's default. */
const defaultBacklog = 65_535;

/** Accepts in this thread. */
export class LocalSockets implements ListenerSockets {
  readonly acceptors = 1;
  readonly #open: SocketOpener;

  constructor(open: SocketOpener = openSocket) {
    this.#open = open;
  }
  listen(request: ListenRequest, callbacks: ListenCallbacks): ListeningSocket {
    let bound: BoundSocket;
    let target: ListenTarget;
    try {
      bound = this.#open(request.socket, request.where);
      target = bound.target();
    } catch (error) {
      callbacks.done(listenError(error));
      return { address: undefined, close: () => undefined };
    }
    const server = listenOn(target, request, callbacks);
    // The server has a handle of its own by now.
    bound.close();
    return {
      get address() {
        return bound.address ?? serverAddress(server);
      },
      close: () => server.close(),
    };
  }
}

/** Accepts connections on a bound socket. */
export function listenOn(
  target: ListenTarget,
  { where, backlog }: Pick<ListenRequest, 'where' | 'backlog'>,
  callbacks: ListenCallbacks,
): Server {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, callbacks.accept);
  server.once('error', (error) =>
    callbacks.done(new XebecError('E_LISTEN', `${where}: cannot listen on ${targetText(target)}: ${errorText(error)}`, { cause: error })),
  );
  const listening = (): void => {
    server.removeAllListeners('error');
    // Accepting failed (no more file descriptors): the next connection tries again.
    server.on('error', () => undefined);
    callbacks.done(undefined);
  };
  if (target.kind === 'fd') server.listen({ fd: target.fd }, backlog ?? defaultBacklog, listening);
  else {
    const { address, reusePort } = target;
    server.listen(
      {
        ...(address.kind === 'pipe' ? { path: address.path } : { host: address.address, port: address.port, reusePort }),
        backlog: backlog ?? defaultBacklog,
      },
      listening,
    );
  }
  return server;
}

function serverAddress(server: Server): EndpointAddress | undefined {
  const bound = server.address();
  if (bound === null) return undefined;
  return typeof bound === 'string' ? { kind: 'pipe', path: bound } : { kind: 'tcp', address: bound.address, port: bound.port };
}

const targetText = (target: ListenTarget): string => (target.kind === 'fd' ? `descriptor ${target.fd}` : addressText(target.address));

export function listenError(error: unknown): XebecError {
  return error instanceof XebecError ? error : new XebecError('E_LISTEN', errorText(error), { cause: error });
}
