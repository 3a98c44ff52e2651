import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Clock } from '@xebec/core';
import { PeerExchange, upstreamAlpnKey, upstreamPeerKey } from '@xebec/filters';
import type { ConnectionInfo, StreamInfo } from '@xebec/telemetry';
import type { ByteMeter } from '@xebec/wire';
import type { Cluster } from '../clusters/cluster.ts';
import type { Host } from '../clusters/host.ts';
import { nextConnectionId, tlsDetailsOf } from '../clusters/upstream-http-connection.ts';
import { localAddressText } from '../clusters/upstream-transport.ts';
import { openByteStream } from '../net/byte-stream.ts';
import { ownCertificateOf, peerCertificateOf } from '../tls/peer-certificate.ts';

const noBytes = Buffer.alloc(0);

/** The far side of a TCP proxy: a connection of its own, or a stream of an HTTP connection. */
export interface TcpUpstream {
  /** Of the stream that it is, if it is one. */
  readonly bytes?: ByteMeter | undefined;
  /** False when it takes no more for now: stop until `onDrain`. */
  write(bytes: Buffer): boolean;
  /** No more bytes come from the client. */
  end(): void;
  destroy(): void;
  pause(): void;
  resume(): void;
}

/** Who connects. One of `onConnected` and `onFailed` is called once; what follows comes only after `onConnected`. */
export interface TcpUpstreamOwner {
  onConnected(upstream: TcpUpstream): void;
  onFailed(reason: string): void;
  /** The circuit breaker is open: nothing was tried. */
  onOverflow(): void;
  onData(bytes: Buffer): void;
  /** The upstream sends no more. */
  onEnd(): void;
  onDrain(): void;
  /** It is gone; `reset` when it did not end properly. */
  onClosed(reset: boolean): void;
}

export interface ConnectParts {
  readonly cluster: Cluster;
  readonly host: Host;
  readonly connection: ConnectionInfo;
  readonly info: StreamInfo;
  readonly clock: Clock;
}

/** Connects to the host over a connection of its own, counted and limited as the cluster's others are. */
export function connectDirect(parts: ConnectParts, owner: TcpUpstreamOwner): { abandon(): void } | undefined {
  const { cluster, host, connection, info, clock } = parts;
  const { stats, limits } = cluster;
  if (!limits.connections.tryAcquire()) {
    stats.cxOverflow.add(1);
    owner.onOverflow();
    return undefined;
  }
  stats.cxTotal.add(1);
  stats.cxActive.add(1);
  stats.rqPendingTotal.add(1);
  stats.rqPendingActive.add(1);
  host.activeConnections++;
  host.totalConnections++;
  host.totalRequests++;
  let pending = true;
  let counted = true;
  const settle = (): void => {
    if (!pending) return;
    pending = false;
    stats.rqPendingActive.add(-1);
  };
  const release = (): void => {
    settle();
    if (!counted) return;
    counted = false;
    limits.connections.release();
    stats.cxActive.add(-1);
    stats.cxDestroy.add(1);
    host.activeConnections--;
  };
  const alpn = info.filterState.get(upstreamAlpnKey);
  const startedAt = clock.monotonic();
  const attempt = cluster.connectTcp(
    host,
    Array.isArray(alpn) ? alpn.map(String) : undefined,
    {
      connected: (socket) => {
        settle();
        stats.cxConnectMs.record(clock.monotonic() - startedAt);
        stats.rqTotal.add(1);
        stats.rqActive.add(1);
        cluster.outliers?.onConnected(host, true);
        describe(socket, info);
        owner.onConnected(carry(socket, parts, owner, release));
      },
      failed: (reason, timedOut) => {
        stats.cxConnectFail.add(1);
        if (timedOut) stats.cxConnectTimeout.add(1);
        stats.rqPendingFailure.add(1);
        host.connectFailures++;
        cluster.outliers?.onLocalFailure(host);
        release();
        owner.onFailed(reason);
      },
    },
    connection,
  );
  return {
    abandon() {
      attempt.abandon();
      release();
    },
  };
}

function describe(socket: Socket, info: StreamInfo): void {
  info.upstreamLocalAddress = localAddressText(socket);
  info.upstreamConnection = {
    id: nextConnectionId(),
    protocolName: '',
    tlsDetails: tlsDetailsOf(socket),
    ...(socket instanceof TLSSocket ? { localCertificate: ownCertificateOf(socket) } : {}),
  };
  if (!(socket instanceof TLSSocket)) return;
  info.upstreamTls = true;
  info.upstreamPeer = peerCertificateOf(socket);
}

/** From here the socket's events are the owner's. */
function carry(socket: Socket, { cluster, clock, info }: ConnectParts, owner: TcpUpstreamOwner, release: () => void): TcpUpstream {
  const { cxRxBytes, cxTxBytes, rqActive } = cluster.stats;
  const connectedAt = clock.monotonic();
  let reset = false;
  let local = false;
  const stream = openByteStream(socket);
  const write = (bytes: Buffer): boolean => {
    cxTxBytes.add(bytes.length);
    return stream.write(bytes);
  };
  const parts = socket instanceof TLSSocket ? cluster.exchangeFor(socket.alpnProtocol || '') : undefined;
  const exchange = parts === undefined ? undefined : new PeerExchange(parts, info, upstreamPeerKey, write);
  const receive = (bytes: Buffer, end: boolean): void => {
    const rest = exchange === undefined ? bytes : exchange.read(bytes, end);
    if (rest.length > 0) owner.onData(rest);
  };
  socket.on('end', () => {
    receive(noBytes, true);
    owner.onEnd();
  });
  socket.on('error', () => {
    reset = true;
  });
  socket.once('close', () => {
    rqActive.add(-1);
    cluster.stats.lasted(clock.monotonic() - connectedAt);
    const side = local ? 'local' : 'remote';
    for (const name of [side, `${side}_with_active_rq`, 'with_active_rq'])
      cluster.stats.scope.counter(`upstream_cx_destroy_${name}`).add(1);
    release();
    owner.onClosed(reset);
  });
  stream.start({
    receive(bytes) {
      cxRxBytes.add(bytes.length);
      receive(bytes, false);
    },
    onSocketDrain: () => owner.onDrain(),
  });
  return {
    write(bytes) {
      exchange?.introduce();
      return write(bytes);
    },
    end: () => stream.end(),
    destroy() {
      if (socket.destroyed) return;
      local = true;
      socket.destroy();
    },
    pause: () => stream.pause(),
    resume: () => stream.resume(),
  };
}
