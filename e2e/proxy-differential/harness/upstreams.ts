import { readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Certificates } from './certificates.ts';
import type { DifferentialCase, Reply, Seen, UpstreamKind } from './family.ts';
import { serveHttp1 } from './upstream-http1.ts';
import { createHttp2Upstream } from './upstream-http2.ts';

/** What an upstream of any protocol does with a request. */
export interface UpstreamScript {
  readonly name: string;
  /** Hands out the next reply. `line` is the request's. */
  next(line: string): Reply;
  /** `on` is the connection, where it is known. */
  saw(seen: Seen, on?: Socket): void;
}

export interface Upstreams {
  readonly ports: Readonly<Record<string, number>>;
  reply(replies: DifferentialCase['replies']): void;
  /** What was seen since the last call, in the order of arrival. */
  takeSeen(): Seen[];
  close(): void;
}

/** Starts all upstreams on free ports of 127.0.0.1. */
export async function startUpstreams(
  kinds: Readonly<Record<string, UpstreamKind>>,
  certificates: Certificates,
  connections = false,
): Promise<Upstreams> {
  let seen: Seen[] = [];
  let queue: Reply[] = [];
  let byName: Record<string, Reply[]> = {};
  /** By upstream. */
  const numbers = new Map<string, Map<Socket, number>>();
  const sockets = new Set<Socket>();
  const servers: Server[] = [];
  const ports: Record<string, number> = {};
  const take = (replies: Reply[]): Reply | undefined => (replies.length > 1 ? replies.shift() : replies[0]);
  const tls = { cert: readFileSync(certificates.server.certificate), key: readFileSync(certificates.server.key) };
  for (const [name, kind] of Object.entries(kinds)) {
    const script: UpstreamScript = {
      name,
      next: (line) => {
        const reply = take(byName[name] ?? queue) ?? {};
        const standard = reply.body === undefined && reply.raw === undefined && reply.status === undefined;
        return standard ? { headers: [['content-type', 'text/plain']], body: `${name}: ${line}`, ...reply } : reply;
      },
      saw: (what, on) => {
        const known = numbers.get(name) ?? new Map<Socket, number>();
        numbers.set(name, known);
        if (!connections || on === undefined) return void seen.push(what);
        if (!known.has(on)) known.set(on, known.size + 1);
        seen.push({ ...what, connection: known.get(on) ?? 0 });
      },
    };
    const serve = kind.endsWith('1') ? (socket: Socket) => serveHttp1(socket, script) : echo;
    const server =
      kind === 'http2' || kind === 'https2'
        ? createHttp2Upstream(script, kind === 'https2' ? tls : undefined)
        : kind === 'https1'
          ? createTlsServer({ ...tls, ALPNProtocols: ['http/1.1'], noDelay: true }, serve)
          : createServer({ allowHalfOpen: true, noDelay: true }, serve);
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => sockets.delete(socket));
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    ports[name] = typeof address === 'object' && address !== null ? address.port : 0;
  }
  return {
    ports,
    reply(replies) {
      numbers.clear();
      queue = [];
      byName = {};
      if (replies === undefined) return;
      if (Array.isArray(replies)) queue = [...(replies as readonly Reply[])];
      else if (Object.keys(replies).some((key) => key in kinds)) {
        for (const [name, own] of Object.entries(replies as Readonly<Record<string, Reply | readonly Reply[]>>))
          byName[name] = Array.isArray(own) ? [...own] : [own as Reply];
      } else queue = [replies as Reply];
    },
    takeSeen() {
      const taken = seen;
      seen = [];
      return taken;
    },
    close() {
      for (const server of servers) server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function echo(socket: Socket): void {
  socket.on('error', () => undefined);
  socket.pipe(socket);
}
