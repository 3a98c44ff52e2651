import type { Clock } from '@xebec/core';
import type { ClientCodecOptions, UpstreamProtocol } from '../http/codecs.ts';
import type { SocketInspector } from '../net/original-destination.ts';
import type { ClusterStats } from './cluster-stats.ts';
import type { Host } from './host.ts';
import type { ResourceLimits } from './resource-limits.ts';
import type { SourceAddresses } from './source-addresses.ts';
import { UpstreamHttpConnection, type UpstreamHttpConnectionOwner } from './upstream-http-connection.ts';
import { connectUpstream, type UpstreamTransport } from './upstream-transport.ts';

/** Who waits for a connection. Exactly one of the two is called, unless the wait is cancelled. */
export interface PoolWaiter {
  onConnection(connection: UpstreamHttpConnection): void;
  onPoolFailure(reason: 'overflow' | 'connection-failure' | 'connection-timeout', detail: string): void;
}

export interface HttpPoolOptions {
  /** `auto`: what ALPN agrees on, HTTP/1.1 without. `tcp`: a connection for each request. */
  readonly protocol: UpstreamProtocol | 'auto';
  readonly transport: UpstreamTransport;
  readonly alpn: readonly string[] | undefined;
  /** As in `ConnectOptions`: what only a TCP proxy speaks. */
  readonly unspoken: string | undefined;
  readonly sni: string | undefined;
  readonly limits: ResourceLimits;
  readonly stats: ClusterStats;
  readonly connectTimeoutMs: number;
  /** 0 is no limit. */
  readonly maxRequestsPerConnection: number;
  /** 0 is no limit. */
  readonly idleTimeoutMs: number;
  readonly maxHostConnections: number;
  /** Longest life of a connection that gets new requests; 0 is no limit. */
  readonly maxConnectionMs: number;
  readonly localAddress: SourceAddresses | undefined;
  readonly clock: Clock;
  readonly inspector: SocketInspector | undefined;
  readonly codec: ClientCodecOptions;
}

const defaultAlpn: Readonly<Record<UpstreamProtocol | 'auto', readonly string[]>> = {
  auto: ['h2', 'http/1.1'],
  http2: ['h2'],
  http1: ['http/1.1'],
  tcp: [],
};

/** Connections to one host over one protocol and transport, and the requests that wait for one. */
export class HttpPool implements UpstreamHttpConnectionOwner {
  readonly #host: Host;
  readonly #options: HttpPoolOptions;
  readonly #connections = new Set<UpstreamHttpConnection>();
  /** Connections that take a stream now; the last used is the first to be used again. */
  readonly #ready: UpstreamHttpConnection[] = [];
  readonly #waiting = new Set<PoolWaiter>();
  readonly #connecting = new Set<{ abandon(): void }>();
  #draining = false;
  #cancelSweep: (() => void) | undefined;
  /** What `auto` turned out to be, so that later requests open as many connections as they need. */
  #agreed: UpstreamProtocol | undefined;

  constructor(host: Host, options: HttpPoolOptions) {
    this.#host = host;
    this.#options = options;
  }
  get size(): number {
    return this.#connections.size + this.#connecting.size;
  }
  /** Gives the waiter a connection, now or later. */
  acquire(waiter: PoolWaiter): void {
    const ready = this.#takeReady();
    if (ready !== undefined) {
      waiter.onConnection(ready);
      return;
    }
    const { limits, stats } = this.#options;
    if (!limits.pendingRequests.tryAcquire()) {
      stats.rqPendingOverflow.add(1);
      waiter.onPoolFailure('overflow', '');
      return;
    }
    stats.rqPendingTotal.add(1);
    stats.rqPendingActive.add(1);
    this.#host.pendingRequests++;
    this.#waiting.add(waiter);
    this.#connectIfNeeded();
  }
  cancel(waiter: PoolWaiter): void {
    if (this.#removeWaiter(waiter)) this.#options.stats.rqCancelled.add(1);
  }
  /** Idle connections close now, busy ones after their last stream. */
  drain(): void {
    this.#draining = true;
    for (const connection of [...this.#connections]) connection.drain();
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
  }
  close(): void {
    this.drain();
    for (const attempt of this.#connecting) attempt.abandon();
    for (const connection of [...this.#connections]) connection.close();
    for (const waiter of [...this.#waiting]) {
      this.#removeWaiter(waiter);
      waiter.onPoolFailure('connection-failure', 'cluster removed');
    }
  }
  onAvailable(connection: UpstreamHttpConnection): void {
    connection.idleSinceMs = this.#options.clock.monotonic();
    for (const waiter of this.#waiting) {
      if (!connection.available) break;
      this.#removeWaiter(waiter);
      waiter.onConnection(connection);
    }
    const max = this.#options.maxRequestsPerConnection;
    if (max > 0 && connection.requests >= max && !connection.draining) {
      this.#options.stats.cxMaxRequests.add(1);
      connection.drain();
    }
    if (this.#draining && !connection.draining) connection.drain();
    // A tunnel's connection that nobody waits for any more.
    if (connection.protocol === 'tcp' && connection.available) connection.close();
    if (!connection.available) {
      this.#unready(connection);
      this.#connectIfNeeded();
      return;
    }
    if (!this.#ready.includes(connection)) this.#ready.push(connection);
    this.#scheduleSweep();
  }
  onClosed(connection: UpstreamHttpConnection): void {
    connection.endOfLife?.();
    this.#connections.delete(connection);
    this.#unready(connection);
    this.#options.limits.connections.release();
    this.#connectIfNeeded();
  }
  #takeReady(): UpstreamHttpConnection | undefined {
    const ready = this.#ready;
    for (;;) {
      const connection = ready[ready.length - 1];
      if (connection === undefined) return undefined;
      const nowMs = this.#options.clock.monotonic();
      if (!connection.available || connection.isStale(nowMs)) {
        ready.pop();
        if (!connection.closed && connection.codec.activeStreams === 0) connection.close();
        continue;
      }
      // HTTP/1.1 carries one stream: it comes back through onAvailable.
      if (connection.protocol === 'http1') ready.pop();
      connection.reusedAfterMs = nowMs - connection.idleSinceMs;
      return connection;
    }
  }
  #unready(connection: UpstreamHttpConnection): void {
    const at = this.#ready.indexOf(connection);
    if (at !== -1) this.#ready.splice(at, 1);
  }
  #removeWaiter(waiter: PoolWaiter): boolean {
    if (!this.#waiting.delete(waiter)) return false;
    this.#options.limits.pendingRequests.release();
    this.#options.stats.rqPendingActive.add(-1);
    this.#host.pendingRequests--;
    return true;
  }
  #connectIfNeeded(): void {
    const protocol = this.#agreed ?? this.#options.protocol;
    const wanted = protocol === 'http1' || protocol === 'tcp' ? this.#waiting.size : Math.min(1, this.#waiting.size);
    while (this.#connecting.size < wanted) if (!this.#connect()) return;
  }
  #connect(): boolean {
    const { limits, stats, clock } = this.#options;
    // Every pool may have one connection whatever the limit says, else its requests would wait for ever.
    if (limits.connections.open || this.#host.activeConnections >= this.#options.maxHostConnections) {
      stats.cxOverflow.add(1);
      if (this.size > 0) return false;
    }
    const { protocol } = this.#options;
    limits.connections.acquire();
    stats.cxTotal.add(1);
    stats.cxActive.add(1);
    this.#host.activeConnections++;
    this.#host.totalConnections++;
    if (protocol !== 'auto' && protocol !== 'tcp') (protocol === 'http2' ? stats.cxHttp2 : stats.cxHttp1).add(1);
    const startedAt = clock.monotonic();
    const attempt = connectUpstream(
      this.#host.config.address,
      this.#options.transport,
      {
        timeoutMs: this.#options.connectTimeoutMs,
        alpn: this.#options.alpn,
        defaultAlpn: defaultAlpn[protocol],
        unspoken: this.#options.unspoken,
        sni: this.#options.sni,
        localAddress: this.#options.localAddress,
      },
      {
        connected: (socket, alpn) => {
          this.#connecting.delete(attempt);
          stats.cxConnectMs.record(clock.monotonic() - startedAt);
          const agreed = protocol === 'auto' ? (alpn === 'h2' || alpn === 'istio-h2' ? 'http2' : 'http1') : protocol;
          this.#agreed = agreed;
          if (protocol === 'auto') {
            // As Envoy counts: once to ask, and once as what was agreed on.
            stats.cxTotal.add(1);
            this.#host.totalConnections++;
            (agreed === 'http2' ? stats.cxHttp2 : stats.cxHttp1).add(1);
          }
          const connection = new UpstreamHttpConnection(
            this.#host,
            agreed,
            socket,
            this,
            stats,
            this.#options.inspector,
            this.#options.codec,
          );
          this.#connections.add(connection);
          this.#limitLife(connection);
          this.onAvailable(connection);
          this.#connectIfNeeded();
        },
        failed: (reason, timedOut) => {
          this.#connecting.delete(attempt);
          this.#connectFailed(reason, timedOut);
        },
      },
    );
    this.#connecting.add(attempt);
    return true;
  }
  #connectFailed(reason: string, timedOut: boolean): void {
    const { limits, stats } = this.#options;
    limits.connections.release();
    stats.cxConnectFail.add(1);
    stats.cxActive.add(-1);
    stats.cxDestroy.add(1);
    stats.scope.counter(`upstream_cx_destroy_${timedOut ? 'local' : 'remote'}`).add(1);
    if (timedOut) stats.cxConnectTimeout.add(1);
    this.#host.activeConnections--;
    this.#host.connectFailures++;
    // All who wait learn of it: each decides for itself whether to try another host.
    const waiting = [...this.#waiting];
    for (const waiter of waiting) {
      if (!this.#removeWaiter(waiter)) continue;
      stats.rqPendingFailure.add(1);
      waiter.onPoolFailure(timedOut ? 'connection-timeout' : 'connection-failure', reason);
    }
  }
  #limitLife(connection: UpstreamHttpConnection): void {
    const { maxConnectionMs, clock, stats } = this.#options;
    if (maxConnectionMs === 0) return;
    connection.endOfLife = clock.setTimeout(() => {
      stats.scope.counter('upstream_cx_max_duration_reached').add(1);
      this.#unready(connection);
      connection.drain();
    }, maxConnectionMs);
  }
  /** Closes connections that have been idle for the idle timeout. */
  #scheduleSweep(): void {
    const { idleTimeoutMs, clock, stats } = this.#options;
    if (idleTimeoutMs === 0 || this.#cancelSweep !== undefined || this.#draining) return;
    this.#cancelSweep = clock.setTimeout(() => {
      this.#cancelSweep = undefined;
      const now = clock.monotonic();
      for (const connection of [...this.#ready]) {
        if (connection.codec.activeStreams > 0 || now - connection.idleSinceMs < idleTimeoutMs) continue;
        stats.cxIdleTimeout.add(1);
        connection.drain();
        this.#unready(connection);
      }
      if (this.#ready.length > 0) this.#scheduleSweep();
    }, idleTimeoutMs);
  }
}
