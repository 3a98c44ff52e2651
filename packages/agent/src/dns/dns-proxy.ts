import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import { type Clock, errorText, type Logger, XebecError } from '@xebec/core';
import { answerQuery, fitForUdp, serverFailure } from './answer.ts';
import type { NameTable } from './name-table.ts';
import { askUpstream, framed, type UpstreamOptions } from './upstream.ts';

export interface DnsProxyOptions {
  readonly address: string;
  /** 15053; 0 picks one. */
  readonly port: number;
  readonly table: NameTable;
  readonly upstream: UpstreamOptions['servers'];
  /** For one upstream server. 5 s. */
  readonly timeoutMs?: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface DnsProxy {
  readonly port: number;
  /** In force for the next query. */
  table: NameTable;
  close(): void;
}

/** Questions under way; more are answered with SERVFAIL at once. */
const maxPending = 1024;
const maxTcpConnections = 256;
const tcpIdleMs = 10_000;

/**
 * The pod's name server, UDP and TCP: answers the mesh's names itself and passes other questions on. Keeps no cache: answers of the
 * mesh come from memory, and others have a caching resolver behind them.
 */
export async function startDnsProxy(options: DnsProxyOptions): Promise<DnsProxy> {
  const { clock, logger } = options;
  let { table } = options;
  let pending = 0;
  const upstream: UpstreamOptions = { servers: options.upstream, timeoutMs: options.timeoutMs ?? 5000, clock };
  const respond = async (message: Buffer, overUdp: boolean): Promise<Buffer | undefined> => {
    const verdict = answerQuery(message, table, overUdp);
    if (verdict.kind === 'drop') return undefined;
    if (verdict.kind === 'reply') return verdict.bytes;
    if (pending >= maxPending) return serverFailure(message);
    pending++;
    try {
      const reply = await askUpstream(message, overUdp, upstream);
      if (reply === undefined) return serverFailure(message);
      return overUdp ? fitForUdp(reply, verdict.maxUdpBytes) : reply;
    } finally {
      pending--;
    }
  };
  let closed = false;
  const connections = new Set<Socket>();
  const { udp, tcp, port } = await bindBoth(options, () =>
    createServer((socket) => serveTcp(socket, connections, (message) => respond(message, false))),
  );
  udp.on('message', (message, from) => {
    void respond(message, true).then((reply) => {
      if (reply !== undefined && !closed) udp.send(reply, from.port, from.address, () => undefined);
    });
  });
  tcp.maxConnections = maxTcpConnections;
  udp.on('error', (error) => logger.warn({}, `DNS proxy: ${errorText(error)}`));
  return {
    port,
    get table() {
      return table;
    },
    set table(next) {
      table = next;
    },
    close() {
      if (closed) return;
      closed = true;
      udp.close();
      tcp.close();
      for (const socket of connections) socket.destroy();
    },
  };
}

/** One port for both protocols; a port that was picked for one may be taken for the other, so another is picked. */
async function bindBoth(options: DnsProxyOptions, createTcp: () => Server): Promise<{ udp: UdpSocket; tcp: Server; port: number }> {
  for (let attempt = 1; ; attempt++) {
    const udp = createSocket(options.address.includes(':') ? 'udp6' : 'udp4');
    const tcp = createTcp();
    try {
      const port = await bindUdp(udp, options);
      await listenTcp(tcp, port, options.address);
      return { udp, tcp, port };
    } catch (error) {
      udp.close();
      if (options.port !== 0 || attempt >= 10) throw error;
    }
  }
}

function bindUdp(udp: UdpSocket, { address, port }: DnsProxyOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    const onError = (cause: Error): void => reject(listenError(address, port, cause));
    udp.once('error', onError);
    udp.bind(port, address, () => {
      udp.off('error', onError);
      resolve(udp.address().port);
    });
  });
}

function listenTcp(tcp: Server, port: number, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    tcp.once('error', (cause) => reject(listenError(address, port, cause)));
    tcp.listen(port, address, () => resolve());
  });
}

function listenError(address: string, port: number, cause: Error): XebecError {
  return new XebecError('E_LISTEN', `DNS proxy: cannot bind ${address}:${port}: ${cause.message}`, { cause });
}

/** Messages with their lengths, answered in the order in which answers come (RFC 7766 section 6.2.1.1). */
function serveTcp(socket: Socket, connections: Set<Socket>, respond: (message: Buffer) => Promise<Buffer | undefined>): void {
  connections.add(socket);
  let bytes = Buffer.alloc(0);
  socket.setTimeout(tcpIdleMs, () => socket.destroy());
  socket.on('error', () => undefined);
  socket.once('close', () => connections.delete(socket));
  socket.on('data', (more: Buffer) => {
    bytes = Buffer.concat([bytes, more]);
    while (bytes.length >= 2) {
      const end = 2 + bytes.readUInt16BE(0);
      if (bytes.length < end) return;
      const message = bytes.subarray(2, end);
      bytes = bytes.subarray(end);
      void respond(message).then((reply) => {
        if (reply !== undefined && !socket.destroyed) socket.write(framed(reply));
      });
    }
  });
}
