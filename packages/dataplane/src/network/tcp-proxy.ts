import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { xxHash64 } from '@xebec/balancing';
import type { Clock, Random } from '@xebec/core';
import { tcpProxyClusterKey, upstreamAlpnKey } from '@xebec/filters';
import { optionalDurationMs } from '@xebec/matching';
import type { TcpProxy as TcpProxyProto } from '@xebec/protos/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy';
import type { Counter, Gauge, StatsScope } from '@xebec/telemetry';
import type { Cluster } from '../clusters/cluster.ts';
import type { ClusterManager } from '../clusters/cluster-manager.ts';
import type { Host } from '../clusters/host.ts';
import { localAddressText } from '../clusters/upstream-transport.ts';
import type { AccessLogWriter } from '../runtime/access-logs.ts';
import { peerCertificateOf } from '../tls/peer-certificate.ts';
import type { TerminalFactory, TerminalFilter, TerminalParts } from './terminal.ts';

export interface TcpProxySettings {
  readonly clusters: ClusterManager;
  readonly clock: Clock;
  readonly random: Random;
  readonly accessLogs: readonly AccessLogWriter[];
  readonly idleTimeoutMs: number;
  readonly maxDurationMs: number;
  readonly maxAttempts: number;
  /** Ring hash and maglev clusters choose by the client's address. */
  readonly hashesSourceIp: boolean;
  readonly weighted: readonly { readonly name: string; readonly upTo: number }[];
  readonly stats: TcpStats;
}

interface TcpStats {
  readonly total: Counter;
  readonly active: Gauge;
  readonly noRoute: Counter;
  readonly rxBytes: Counter;
  readonly txBytes: Counter;
  readonly idleTimeout: Counter;
  readonly maxDuration: Counter;
}

const hour = 3_600_000;
const maxEarlyBytes = 1024 * 1024;

/** Compiles `envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`. */
export function compileTcpProxy(
  proto: TcpProxyProto,
  parts: Pick<TcpProxySettings, 'clusters' | 'clock' | 'random' | 'accessLogs'>,
  rootStats: StatsScope,
): TerminalFactory {
  const scope = rootStats.scope(`tcp.${proto.statPrefix}`);
  const specifier = proto.clusterSpecifier;
  let total = 0;
  const weighted =
    specifier.case === 'weightedClusters'
      ? specifier.value.clusters.map((cluster) => {
          total += cluster.weight;
          return { name: cluster.name, upTo: total };
        })
      : [{ name: specifier.value ?? '', upTo: 1 }];
  const settings: TcpProxySettings = {
    ...parts,
    idleTimeoutMs: optionalDurationMs(proto.idleTimeout) ?? hour,
    maxDurationMs: optionalDurationMs(proto.maxDownstreamConnectionDuration) ?? 0,
    maxAttempts: proto.maxConnectAttempts ?? 1,
    hashesSourceIp: proto.hashPolicy.some((policy) => policy.policySpecifier.case === 'sourceIp'),
    weighted,
    stats: {
      total: scope.counter('downstream_cx_total'),
      active: scope.gauge('downstream_cx_active'),
      noRoute: scope.counter('downstream_cx_no_route'),
      rxBytes: scope.counter('downstream_cx_rx_bytes_total'),
      txBytes: scope.counter('downstream_cx_tx_bytes_total'),
      idleTimeout: scope.counter('idle_timeout'),
      maxDuration: scope.counter('max_downstream_connection_duration'),
    },
  };
  return { create: (connection) => new TcpProxy(connection, settings) };
}

/** Carries the bytes of one client connection to a host of a cluster and back. */
class TcpProxy implements TerminalFilter {
  readonly #parts: TerminalParts;
  readonly #settings: TcpProxySettings;
  #cluster: Cluster | undefined;
  #host: Host | undefined;
  #upstream: Socket | undefined;
  #attempt: { abandon(): void } | undefined;
  #attempts = 0;
  #counted = false;
  #early: Buffer[] = [];
  #earlyBytes = 0;
  #clientEnded = false;
  #done = false;
  #lastActivityMs = 0;
  #cancelIdle: (() => void) | undefined;
  #cancelMaxDuration: (() => void) | undefined;

  constructor(parts: TerminalParts, settings: TcpProxySettings) {
    this.#parts = parts;
    this.#settings = settings;
    settings.stats.total.add(1);
    settings.stats.active.add(1);
    this.#lastActivityMs = settings.clock.monotonic();
    if (settings.idleTimeoutMs > 0) this.#armIdle(settings.idleTimeoutMs);
    if (settings.maxDurationMs > 0) {
      this.#cancelMaxDuration = settings.clock.setTimeout(() => {
        settings.stats.maxDuration.add(1);
        parts.info.responseFlags.add('DT');
        this.#closeBoth();
      }, settings.maxDurationMs);
    }
    this.#connect();
  }
  receive(bytes: Buffer): void {
    const { info, socket } = this.#parts;
    this.#lastActivityMs = this.#settings.clock.monotonic();
    info.bytesReceived += bytes.length;
    this.#settings.stats.rxBytes.add(bytes.length);
    const upstream = this.#upstream;
    if (upstream !== undefined) {
      this.#cluster?.stats.cxTxBytes.add(bytes.length);
      if (!upstream.write(bytes)) socket.pause();
      return;
    }
    this.#early.push(bytes);
    this.#earlyBytes += bytes.length;
    if (this.#earlyBytes > maxEarlyBytes) socket.pause();
  }
  receiveEnd(): void {
    this.#clientEnded = true;
    this.#upstream?.end();
  }
  onSocketDrain(): void {
    this.#upstream?.resume();
  }
  /** A TCP connection cannot be told to come again elsewhere: it runs until the drain time is over. */
  drain(): void {}
  closed(_detail: string): void {
    if (this.#done) return;
    this.#done = true;
    const { info } = this.#parts;
    const { clock, stats, accessLogs } = this.#settings;
    this.#cancelIdle?.();
    this.#cancelMaxDuration?.();
    this.#attempt?.abandon();
    this.#upstream?.destroy();
    this.#release();
    stats.active.add(-1);
    info.durationMs = clock.monotonic() - info.startMonotonicMs;
    if (accessLogs.length > 0) for (const log of accessLogs) log.log({ info, accessLogType: 'TcpConnectionEnd' });
  }
  #connect(): void {
    const { info, connection } = this.#parts;
    const { clusters, stats, hashesSourceIp } = this.#settings;
    const override = info.filterState.get(tcpProxyClusterKey);
    const name = typeof override === 'string' ? override : this.#chooseCluster();
    info.upstreamCluster = name;
    const cluster = clusters.get(name);
    if (cluster === undefined) {
      stats.noRoute.add(1);
      this.#refuse('NC', 'cluster_not_found');
      return;
    }
    this.#cluster = cluster;
    info.clusterMetadata = cluster.config.metadata;
    const host = cluster.choose({
      hash: cluster.usesHash && hashesSourceIp ? xxHash64(connection.remoteAddress) : undefined,
      avoid: undefined,
      destination: { address: connection.localAddress, port: connection.localPort },
      header: undefined,
    });
    if (host === undefined) {
      cluster.stats.noneHealthy.add(1);
      this.#refuse('UH', 'no_healthy_upstream');
      return;
    }
    const { connections } = cluster.limits;
    if (!connections.tryAcquire()) {
      cluster.stats.cxOverflow.add(1);
      this.#refuse('UO', 'overflow');
      return;
    }
    this.#host = host;
    cluster.stats.cxTotal.add(1);
    cluster.stats.cxActive.add(1);
    host.activeConnections++;
    host.totalRequests++;
    this.#counted = true;
    this.#attempts++;
    info.attemptCount = this.#attempts;
    info.upstreamHost = host.text;
    const alpn = info.filterState.get(upstreamAlpnKey);
    const startedAt = this.#settings.clock.monotonic();
    this.#attempt = cluster.connectTcp(host, Array.isArray(alpn) ? alpn.map(String) : undefined, {
      connected: (socket) => {
        cluster.stats.cxConnectMs.record(this.#settings.clock.monotonic() - startedAt);
        this.#connected(socket, cluster, host);
      },
      failed: (reason, timedOut) => {
        this.#attempt = undefined;
        cluster.stats.cxConnectFail.add(1);
        if (timedOut) cluster.stats.cxConnectTimeout.add(1);
        host.connectFailures++;
        cluster.outliers?.onLocalFailure(host);
        this.#release();
        info.upstreamTransportFailureReason = reason;
        if (this.#attempts < this.#settings.maxAttempts) this.#connect();
        else this.#refuse('UF', 'upstream_connection_failed');
      },
    });
  }
  #connected(upstream: Socket, cluster: Cluster, host: Host): void {
    this.#attempt = undefined;
    if (this.#done) {
      upstream.destroy();
      return;
    }
    const { info, socket } = this.#parts;
    this.#upstream = upstream;
    cluster.outliers?.onConnected(host, true);
    info.upstreamLocalAddress = localAddressText(upstream);
    info.upstreamHostMetadata = host.config.metadata;
    if (upstream instanceof TLSSocket) {
      info.upstreamTls = true;
      info.upstreamPeer = peerCertificateOf(upstream);
    }
    upstream.on('data', (bytes: Buffer) => {
      this.#lastActivityMs = this.#settings.clock.monotonic();
      info.bytesSent += bytes.length;
      cluster.stats.cxRxBytes.add(bytes.length);
      this.#settings.stats.txBytes.add(bytes.length);
      if (!socket.write(bytes)) upstream.pause();
    });
    upstream.on('end', () => socket.end());
    upstream.on('drain', () => socket.resume());
    upstream.on('error', () => {
      info.responseFlags.add('UC');
      socket.destroy();
    });
    upstream.on('close', () => socket.destroySoon());
    this.#parts.onUpstreamConnected();
    const early = this.#early;
    this.#early = [];
    for (const bytes of early) {
      cluster.stats.cxTxBytes.add(bytes.length);
      upstream.write(bytes);
    }
    if (this.#earlyBytes > maxEarlyBytes) socket.resume();
    if (this.#clientEnded) upstream.end();
  }
  #chooseCluster(): string {
    const { weighted, random } = this.#settings;
    const first = weighted[0]?.name ?? '';
    if (weighted.length <= 1) return first;
    const at = random.next() * (weighted.at(-1)?.upTo ?? 0);
    return weighted.find((entry) => at < entry.upTo)?.name ?? first;
  }
  #refuse(flag: 'NC' | 'UH' | 'UO' | 'UF', details: string): void {
    const { info, socket } = this.#parts;
    info.responseFlags.add(flag);
    info.responseCodeDetails = details;
    socket.destroy();
  }
  #closeBoth(): void {
    this.#upstream?.destroy();
    this.#parts.socket.destroy();
  }
  #release(): void {
    const cluster = this.#cluster;
    if (!this.#counted || cluster === undefined) return;
    this.#counted = false;
    cluster.limits.connections.release();
    cluster.stats.cxActive.add(-1);
    cluster.stats.cxDestroy.add(1);
    if (this.#host !== undefined) this.#host.activeConnections--;
  }
  #armIdle(ms: number): void {
    const { clock, idleTimeoutMs, stats } = this.#settings;
    this.#cancelIdle = clock.setTimeout(() => {
      const left = idleTimeoutMs - (clock.monotonic() - this.#lastActivityMs);
      if (left > 1) {
        this.#armIdle(left);
        return;
      }
      stats.idleTimeout.add(1);
      this.#parts.info.responseFlags.add('SI');
      this.#closeBoth();
    }, ms);
  }
}
