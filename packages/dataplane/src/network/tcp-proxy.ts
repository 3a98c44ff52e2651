import { tcpProxyClusterKey } from '@xebec/filters';
import type { TcpProxy as TcpProxyProto } from '@xebec/protos/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy';
import type { FormatEnvironment, ResponseFlag, StatsScope } from '@xebec/telemetry';
import { ByteMeter } from '@xebec/wire';
import type { Cluster } from '../clusters/cluster.ts';
import { keptBytes } from '../net/read-area.ts';
import { resetSocket } from './filtered-socket.ts';
import { compileTcpProxySettings, type TcpProxyParts, type TcpProxySettings, type WeightedTarget } from './tcp-proxy-config.ts';
import { connectTunnel } from './tcp-tunnel.ts';
import { connectDirect, type TcpUpstream, type TcpUpstreamOwner } from './tcp-upstream.ts';
import type { TerminalFactory, TerminalFilter, TerminalParts } from './terminal.ts';

/** Compiles `envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`; throws XebecError `E_CONFIG`. */
export function compileTcpProxy(
  proto: TcpProxyProto,
  parts: TcpProxyParts,
  rootStats: StatsScope,
  environment?: FormatEnvironment,
  where = 'tcp_proxy',
): TerminalFactory {
  const settings = compileTcpProxySettings(proto, parts, rootStats, environment, where);
  return { create: (connection) => new TcpProxy(connection, settings) };
}

/** Envoy's numbers of why there is no upstream, by flag. */
const failureNumbers: Readonly<Record<string, number>> = { UF: 0, UH: 1, UO: 2, NC: 3 };

/** Carries the bytes of one client connection to a host of a cluster and back. */
class TcpProxy implements TerminalFilter, TcpUpstreamOwner {
  readonly #parts: TerminalParts;
  readonly #settings: TcpProxySettings;
  #cluster: Cluster | undefined;
  #upstream: TcpUpstream | undefined;
  #attempt: { abandon(): void } | undefined;
  #attempts = 0;
  /** What came before the upstream was there: the inspector's bytes, or what was in flight when reading stopped. */
  #early: Buffer[] = [];
  #clientEnded = false;
  #upstreamEnded = false;
  #done = false;
  #lastActivityMs: number;
  #paused = false;
  readonly #downstreamBytes = new ByteMeter();
  #upstreamBytes = new ByteMeter();
  readonly #timers: (() => void)[] = [];
  #cancelIdle: (() => void) | undefined;

  constructor(parts: TerminalParts, settings: TcpProxySettings) {
    this.#parts = parts;
    this.#settings = settings;
    settings.stats.total.add(1);
    parts.info.downstreamBytes = this.#downstreamBytes;
    this.#lastActivityMs = settings.clock.monotonic();
  }
  /** The client waits in its own kernel until there is somewhere for its bytes to go. */
  get waits(): boolean {
    return this.#upstream === undefined;
  }
  open(): void {
    const settings = this.#settings;
    if (settings.maxDurationMs > 0) {
      const cancel = settings.clock.setTimeout(() => {
        settings.stats.maxDuration.add(1);
        this.#parts.info.responseFlags.add('DT');
        this.#parts.info.localCloseReason = 'max_connection_duration_reached';
        this.#closeBoth();
      }, settings.maxDurationMs);
      this.#timers.push(cancel);
    }
    this.#connect();
  }
  readonly copiesWhatItKeeps = true;
  receive(bytes: Buffer): void {
    const upstream = this.#upstream;
    if (upstream === undefined) {
      this.#early.push(keptBytes(bytes));
      this.#parts.socket.pause();
      return;
    }
    this.#forward(upstream, bytes);
  }
  receiveEnd(): void {
    this.#clientEnded = true;
    this.#upstream?.end();
  }
  withheld(bytes: number): void {
    this.#parts.info.bytesReceived += bytes;
    this.#downstreamBytes.wireBytesReceived += bytes;
    this.#settings.stats.rxBytes.add(bytes);
  }
  onSocketDrain(): void {
    this.#upstream?.resume();
  }
  /** A TCP connection cannot be told to come again elsewhere: it runs until the drain time is over. */
  drain(): void {}
  closed(_detail: string): void {
    if (this.#done) return;
    this.#done = true;
    this.#cancelIdle?.();
    for (const cancel of this.#timers) cancel();
    this.#attempt?.abandon();
    this.#upstream?.destroy();
    // After the listener's own line, as in Envoy.
    queueMicrotask(() => {
      this.#log('TcpConnectionEnd');
      if (this.#settings.tap.watched) this.#settings.tap.see({ info: this.#parts.info, accessLogType: 'TcpConnectionEnd' });
    });
  }
  onConnected(upstream: TcpUpstream): void {
    this.#attempt = undefined;
    if (this.#done) {
      upstream.destroy();
      return;
    }
    const { socket } = this.#parts;
    const { idleTimeoutMs, logsConnected, logIntervalMs } = this.#settings;
    this.#upstream = upstream;
    // As in Envoy what goes through a tunnel counts in it and by itself.
    if (upstream.bytes !== undefined) this.#upstreamBytes = upstream.bytes;
    this.#parts.info.upstreamBytes = this.#upstreamBytes;
    if (idleTimeoutMs > 0) this.#armIdle(idleTimeoutMs);
    this.#lastActivityMs = this.#settings.clock.monotonic();
    this.#parts.onUpstreamConnected();
    if (logsConnected) this.#log('TcpUpstreamConnected');
    if (logIntervalMs > 0) this.#logAgain(logIntervalMs);
    const early = this.#early;
    this.#early = [];
    for (const bytes of early) this.#forward(upstream, bytes);
    if (!this.#paused) socket.resume();
    if (this.#clientEnded) upstream.end();
  }
  onFailed(reason: string): void {
    this.#attempt = undefined;
    if (this.#done) return;
    const { maxAttempts, retryBaseMs, retryMaxMs, clock, random } = this.#settings;
    this.#parts.info.upstreamTransportFailureReason = reason;
    if (this.#attempts >= maxAttempts) {
      this.#cluster?.stats.scope.counter('upstream_cx_connect_attempts_exceeded').add(1);
      this.#refuse('UF', 'URX');
      return;
    }
    if (retryBaseMs === 0) {
      this.#connect();
      return;
    }
    // Envoy's jittered exponential back-off.
    const delayMs = Math.min(random.next() * retryBaseMs * 2 ** (this.#attempts - 1), retryMaxMs);
    this.#timers.push(clock.setTimeout(() => this.#connect(), delayMs));
  }
  onOverflow(): void {
    this.#refuse('UO');
  }
  onData(bytes: Buffer): void {
    const { info, socket } = this.#parts;
    this.#lastActivityMs = this.#settings.clock.monotonic();
    info.bytesSent += bytes.length;
    this.#upstreamBytes.wireBytesReceived += bytes.length;
    this.#downstreamBytes.wireBytesSent += bytes.length;
    this.#settings.stats.txBytes.add(bytes.length);
    if (!socket.write(bytes)) this.#upstream?.pause();
  }
  onEnd(): void {
    this.#upstreamEnded = true;
    this.#parts.socket.end();
  }
  onDrain(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#settings.stats.resumed.add(1);
    this.#parts.socket.resume();
  }
  onClosed(reset: boolean): void {
    if (this.#done) return;
    const { info, socket } = this.#parts;
    if (!reset) {
      socket.destroySoon();
      return;
    }
    if (!this.#upstreamEnded) info.responseFlags.add('UR');
    resetSocket(socket);
  }
  #forward(upstream: TcpUpstream, bytes: Buffer): void {
    const { info, socket } = this.#parts;
    const { clock, stats } = this.#settings;
    this.#lastActivityMs = clock.monotonic();
    info.bytesReceived += bytes.length;
    this.#downstreamBytes.wireBytesReceived += bytes.length;
    this.#upstreamBytes.wireBytesSent += bytes.length;
    stats.rxBytes.add(bytes.length);
    if (upstream.write(bytes) || this.#paused) return;
    this.#paused = true;
    stats.paused.add(1);
    socket.pause();
  }
  #connect(): void {
    if (this.#done) return;
    const { info, connection } = this.#parts;
    const { clusters, stats, hash, clock, tunneling } = this.#settings;
    const override = info.filterState.get(tcpProxyClusterKey);
    const target = this.#chooseCluster();
    const name = typeof override === 'string' ? override : (target?.name ?? '');
    const cluster = clusters.get(name);
    if (cluster === undefined) {
      stats.noRoute.add(1);
      this.#refuse('NC');
      return;
    }
    info.upstreamCluster = name;
    this.#cluster = cluster;
    info.clusterMetadata = cluster.config.metadata;
    const host = cluster.choose({
      hash: cluster.usesHash ? hash?.(connection, info) : undefined,
      avoid: undefined,
      destination: { address: connection.localAddress, port: connection.localPort },
      header: undefined,
      metadata: target?.criteria,
    });
    if (host === undefined) {
      cluster.stats.noneHealthy.add(1);
      this.#refuse('UH');
      return;
    }
    this.#attempts++;
    info.attemptCount = this.#attempts;
    info.upstreamHost = host.text;
    info.attemptedHosts = [...(info.attemptedHosts ?? []), { address: host.text, name: host.config.hostname || host.text }];
    info.upstreamHostMetadata = host.config.metadata;
    const parts = { cluster: cluster.ownerOf(host), host, connection, info, clock };
    const attempt = tunneling === undefined ? connectDirect(parts, this) : connectTunnel(parts, tunneling, this);
    if (this.#upstream === undefined && !this.#done) this.#attempt = attempt;
  }
  #chooseCluster(): WeightedTarget | undefined {
    const { weighted, random } = this.#settings;
    const first = weighted[0];
    if (weighted.length <= 1) return first;
    const at = random.next() * (weighted.at(-1)?.upTo ?? 0);
    return weighted.find((entry) => at < entry.upTo) ?? first;
  }
  #refuse(...flags: readonly ResponseFlag[]): void {
    const { info, socket } = this.#parts;
    for (const flag of flags) info.responseFlags.add(flag);
    const reason = failureNumbers[flags[0] ?? ''];
    if (reason !== undefined) info.localCloseReason = `tcp_initializion_failure:${reason}`;
    if (flags[0] === 'UO') {
      info.attemptCount = 0;
      info.upstreamHost = '';
    }
    // What the client has sent stays unread in Envoy, which makes the kernel reset the connection.
    if (this.#early.length > 0) resetSocket(socket);
    else socket.destroy();
  }
  #closeBoth(): void {
    this.#upstream?.destroy();
    this.#parts.socket.destroy();
  }
  #log(accessLogType: string): void {
    const { info } = this.#parts;
    info.durationMs = this.#settings.clock.monotonic() - info.startMonotonicMs;
    for (const log of this.#settings.accessLogs) log.log({ info, accessLogType });
  }
  #logAgain(intervalMs: number): void {
    const cancel = this.#settings.clock.setTimeout(() => {
      this.#timers.splice(this.#timers.indexOf(cancel), 1);
      this.#log('TcpPeriodic');
      this.#logAgain(intervalMs);
    }, intervalMs);
    this.#timers.push(cancel);
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
      this.#parts.info.localCloseReason = 'tcp_session_idle_timeout';
      this.#closeBoth();
    }, ms);
  }
}
