import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { errorText, XebecError } from '@xebec/core';
import type { DataplaneState } from '../dataplane-state.ts';
import { createAdminStats } from './admin-stats.ts';
import { type AdminReply, adminHandlers } from './handlers.ts';
import { helpText } from './help.ts';

export interface AdminServer {
  readonly address: { readonly address: string; readonly port: number };
  close(): Promise<void>;
}

/** Starts Envoy's admin interface. Rejects with XebecError `E_LISTEN`. */
export async function startAdmin(
  address: { readonly address: string; readonly port: number },
  state: DataplaneState,
): Promise<AdminServer> {
  const stats = createAdminStats(state.stats, () => performance.now());
  const server = createServer((request, response) => {
    const answered = stats.request(response);
    const reply = (reply: AdminReply): void => {
      answered(reply.status ?? 200);
      if (reply.stream === undefined) send(response, reply);
      else reply.stream(response, request.socket.remoteAddress ?? '');
    };
    answer(request, state).then(reply, (error: unknown) => reply({ status: 500, body: `${errorText(error)}\n` }));
  });
  server.on('connection', stats.connection);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new XebecError('E_LISTEN', `admin: cannot bind ${address.address}:${address.port}: ${errorText(cause)}`, { cause })),
    );
    server.listen(address.port, address.address, resolve);
  });
  const bound = server.address() as AddressInfo;
  return {
    address: { address: bound.address, port: bound.port },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(request: IncomingMessage, state: DataplaneState): Promise<AdminReply> {
  const url = new URL(`http://admin${request.url?.startsWith('/') === true ? request.url : '/'}`);
  const handler = adminHandlers.find((candidate) => candidate.path === url.pathname);
  if (handler === undefined) {
    return { status: 404, body: `invalid path. ${helpText(adminHandlers)}` };
  }
  if (handler.mutates && request.method !== 'POST') return { status: 405, body: `Method ${request.method} not allowed, POST required.` };
  return handler.run(url.searchParams, state);
}

function send(response: ServerResponse, reply: AdminReply): void {
  response.writeHead(reply.status ?? 200, {
    'content-type': reply.type ?? 'text/plain; charset=UTF-8',
    'cache-control': 'no-cache, max-age=0',
    'x-content-type-options': 'nosniff',
  });
  response.end(reply.body);
}
