import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import type { DescService } from '@bufbuild/protobuf';
import { type ConnectionInjector, Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import { type Logger, XebecError } from '@xebec/core';
import { serviceDefinition } from '@xebec/rpc';
import type { ReadPeerCredentials } from './peer-credentials.ts';
import type { PeerPolicy } from './peer-policy.ts';

export interface GuardedSocketOptions {
  readonly socketPath: string;
  /** Serves who may call. */
  readonly server: Server;
  /** Whose methods are answered PERMISSION_DENIED to everybody else. */
  readonly service: DescService;
  readonly credentials: ReadPeerCredentials;
  readonly policy: PeerPolicy;
  readonly logger: Logger;
}

/** Connections open at a time; a workload needs one. */
const MAX_CONNECTIONS = 256;
/** Connections of refused peers that wait for their answer. */
const MAX_REFUSED = 16;
/** How long a refused peer may keep its connection. */
const REFUSED_MS = 5000;

/**
 * A Unix socket that anybody may connect to, whose peers the kernel names. They are judged when they connect, before a byte is
 * read: those that may not call are handed to a server that knows nothing but PERMISSION_DENIED.
 */
export async function listenGuarded(options: GuardedSocketOptions): Promise<{ close(): void }> {
  const { socketPath, logger } = options;
  const serving: ConnectionInjector = options.server.createConnectionInjector(ServerCredentials.createInsecure());
  // Made for the first who is refused: most pods have none.
  let refusing: { readonly server: Server; readonly injector: ConnectionInjector } | undefined;
  const refuse = (socket: Socket): void => {
    if (refusing === undefined) {
      const server = refusingServer(options.service);
      refusing = { server, injector: server.createConnectionInjector(ServerCredentials.createInsecure()) };
    }
    refusing.injector.injectConnection(socket);
  };
  const open = new Set<Socket>();
  let refusedOpen = 0;
  // All of this happens in the turn of the event loop in which the connection came: nothing can have been read yet.
  const listener = createServer((socket) => {
    socket.on('error', () => undefined);
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    const peer = options.credentials(socket);
    const reason = peer === undefined ? 'the kernel does not say who it is' : options.policy(peer);
    if (reason === undefined) {
      serving.injectConnection(socket);
      return;
    }
    logger.warn({ code: 'E_WORKLOAD_PEER', pid: peer?.pid, uid: peer?.uid }, `Workload API caller refused: ${reason}`);
    if (refusedOpen >= MAX_REFUSED) {
      socket.destroy();
      return;
    }
    refusedOpen++;
    const timer = setTimeout(() => socket.destroy(), REFUSED_MS);
    socket.once('close', () => {
      clearTimeout(timer);
      refusedOpen--;
    });
    refuse(socket);
  });
  listener.maxConnections = MAX_CONNECTIONS;
  mkdirSync(dirname(socketPath), { recursive: true });
  // Bound within a private directory and moved once its mode is set, so that a killed process's file is replaced in one step.
  const staging = mkdtempSync(join(dirname(socketPath), '.w-'));
  try {
    const staged = join(staging, 's');
    await new Promise<void>((resolve, reject) => {
      listener.once('error', (error) => reject(new XebecError('E_LISTEN', `Workload API socket ${socketPath}: ${error.message}`)));
      listener.listen(staged, resolve);
    });
    chmodSync(staged, 0o666);
    renameSync(staged, socketPath);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
  return {
    close() {
      listener.close();
      options.server.forceShutdown();
      refusing?.server.forceShutdown();
      for (const socket of open) socket.destroy();
      rmSync(socketPath, { force: true });
    },
  };
}

/** Every method of the service is refused, whatever is sent. */
function refusingServer(service: DescService): Server {
  const server = new Server({ 'grpc.max_receive_message_length': 16 * 1024, 'grpc.max_concurrent_streams': 8 });
  const error = { code: status.PERMISSION_DENIED, details: 'this process has no identity here' };
  server.addService(
    serviceDefinition(service),
    Object.fromEntries(
      service.methods.map((method) => [
        method.name,
        method.methodKind === 'server_streaming'
          ? (call: { emit(event: 'error', value: object): void }) => call.emit('error', error)
          : (_call: ServerUnaryCall<unknown, unknown>, reply: sendUnaryData<unknown>) => reply(error),
      ]),
    ),
  );
  return server;
}
