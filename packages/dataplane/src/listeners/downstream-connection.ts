import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '@xebec/core';
import { type ConnectionInfo, createStreamInfo, type StreamInfo } from '@xebec/telemetry';
import { parseClientHello } from '@xebec/wire';
import { openByteStream } from '../net/byte-stream.ts';
import { plainAddress } from '../net/endpoint-address.ts';
import type { SocketInspector } from '../net/original-destination.ts';
import { keptBytes } from '../net/read-area.ts';
import { FilteredSocket } from '../network/filtered-socket.ts';
import type { TerminalFilter } from '../network/terminal.ts';
import type { DrainDecision } from '../runtime/drain-sequence.ts';
import { peerCertificateOf, peerChainOf } from '../tls/peer-certificate.ts';
import type { CompiledChain, CompiledListener } from './compiled-listener.ts';
import { acceptTls, type DownstreamTls, type HandshakeResult, type TlsStats } from './downstream-tls.ts';
import { Inspection, nothingFound } from './inspection.ts';
import type { Findings } from './listener-filters/listener-filter.ts';
import type { ListenerStats } from './listener-stats.ts';

/** Who accepted the connection. */
export interface ConnectionOwner {
  readonly clock: Clock;
  readonly inspector: SocketInspector | undefined;
  nextConnectionId(): number;
  /** The listener that a redirected connection belongs to, when it is another. */
  listenerFor(address: string, port: number): { readonly compiled: CompiledListener; readonly stats: ListenerStats } | undefined;
  onConnectionClosed(connection: DownstreamConnection): void;
}

const noBytes = Buffer.alloc(0);

/** One accepted connection: original destination, first bytes, filter chain, TLS, then its network filters. */
export class DownstreamConnection {
  readonly #owner: ConnectionOwner;
  readonly #raw: Socket;
  #listener: CompiledListener;
  #stats: ListenerStats;
  readonly #startMs: number;
  readonly #id: number;
  /** The peer itself; `#remoteAddress` is whom a PROXY protocol header named instead. */
  readonly #directAddress: string;
  readonly #directPort: number;
  #remoteAddress: string;
  #remotePort: number;
  #localAddress: string;
  #localPort: number;
  #chain: CompiledChain | undefined;
  #terminal: TerminalFilter | undefined;
  #findings: Findings = nothingFound();
  /** The connection's own record, once its filters run. */
  #info: StreamInfo | undefined;
  /** `inspecting` counts as pending, `open` as active. */
  #phase: 'new' | 'inspecting' | 'open' = 'new';
  /** Why the connection may have to end with a response. */
  readonly #drains = new Set<DrainDecision>();
  #closed = false;

  constructor(raw: Socket, listener: CompiledListener, stats: ListenerStats, owner: ConnectionOwner) {
    this.#raw = raw;
    this.#listener = listener;
    this.#stats = stats;
    this.#owner = owner;
    this.#startMs = owner.clock.monotonic();
    this.#id = owner.nextConnectionId();
    this.#directAddress = plainAddress(raw.remoteAddress);
    this.#directPort = raw.remotePort ?? 0;
    this.#remoteAddress = this.#directAddress;
    this.#remotePort = this.#directPort;
    this.#localAddress = plainAddress(raw.localAddress);
    this.#localPort = raw.localPort ?? 0;
  }
  get chain(): CompiledChain | undefined {
    return this.#chain;
  }
  get listener(): CompiledListener {
    return this.#listener;
  }
  start(): void {
    const raw = this.#raw;
    this.#stats.acceptedAtOnce.record(1);
    raw.on('error', () => undefined);
    raw.once('close', () => this.#onClosed('connection closed'));
    this.#findOriginalDestination();
    const inspection = new Inspection(this.#listener.filters, this.#localPort, this.#localAddress);
    this.#findings = inspection.findings;
    if (inspection.idle) this.#choose(noBytes);
    else this.#inspect(inspection);
  }
  /** From now on `decide` is asked at each response whether the connection ends with it. */
  drain(decide: DrainDecision): void {
    this.#drains.add(decide);
    this.#terminal?.drain(this.#anyDrain);
  }
  /** That reason is gone. */
  stopDraining(decide: DrainDecision): void {
    this.#drains.delete(decide);
  }
  close(): void {
    this.#raw.destroy();
  }
  readonly #anyDrain: DrainDecision = () => {
    for (const decide of this.#drains) if (decide()) return true;
    return false;
  };
  #findOriginalDestination(): void {
    const { useOriginalDst, filters } = this.#listener;
    if (!useOriginalDst && !filters.originalDst) return;
    const original = this.#owner.inspector?.originalDestination(this.#raw);
    if (original === undefined) return;
    this.#localAddress = original.address;
    this.#localPort = original.port;
    if (!useOriginalDst) return;
    const other = this.#owner.listenerFor(original.address, original.port);
    if (other === undefined) return;
    this.#listener = other.compiled;
    this.#stats = other.stats;
  }
  #inspect(inspection: Inspection): void {
    const raw = this.#raw;
    const { filtersTimeoutMs, continueOnTimeout } = this.#listener;
    this.#phase = 'inspecting';
    this.#stats.preCxActive.add(1);
    let cancel: (() => void) | undefined;
    const stop = (): void => {
      cancel?.();
      raw.off('data', onData);
      raw.off('end', onEnd);
      raw.pause();
      this.#phase = 'new';
      this.#stats.preCxActive.add(-1);
    };
    const refuse = (): void => {
      stop();
      // With unread bytes, as Envoy leaves them, a close is a reset.
      raw.resetAndDestroy();
    };
    const onData = (bytes: Buffer): void => {
      const state = inspection.receive(bytes);
      if (state === 'done') {
        stop();
        this.#choose(inspection.bytes);
      } else if (state === 'close') {
        refuse();
      }
    };
    // Filters that still wait will never have enough.
    const onEnd = (): void => {
      this.#stats.listenerFilterRemoteClose.add(1);
      if (inspection.bytes.length > 0) refuse();
      else {
        stop();
        raw.destroy();
      }
    };
    raw.on('data', onData);
    raw.on('end', onEnd);
    if (filtersTimeoutMs > 0) {
      cancel = this.#owner.clock.setTimeout(() => {
        this.#stats.preCxTimeout.add(1);
        if (continueOnTimeout) {
          stop();
          this.#choose(inspection.bytes);
        } else if (inspection.bytes.length > 0) refuse();
        else {
          stop();
          raw.destroy();
        }
      }, filtersTimeoutMs);
      raw.once('close', cancel);
    }
    raw.resume();
  }
  #choose(seen: Buffer): void {
    const findings = this.#findings;
    this.#adoptProxied();
    const chain = this.#listener.chains.find({
      destinationAddress: this.#localAddress,
      destinationPort: this.#localPort,
      sourceAddress: this.#remoteAddress,
      directSourceAddress: this.#directAddress,
      sourcePort: this.#remotePort,
      serverName: findings.serverName,
      transportProtocol: findings.transportProtocol === 'tls' ? 'tls' : 'raw_buffer',
      applicationProtocols: findings.applicationProtocols,
    });
    if (chain === undefined) {
      this.#stats.noFilterChainMatch.add(1);
      this.#refuse('filter_chain_not_found', 'NR', seen.length > 0);
      return;
    }
    this.#phase = 'open';
    this.#stats.cxTotal.add(1);
    this.#stats.cxActive.add(1);
    this.#stats.workerCxTotal.add(1);
    this.#stats.workerCxActive.add(1);
    this.#chain = chain;
    if (chain.tls === undefined) {
      this.#run(this.#raw, this.#connectionInfo(chain.name, undefined), chain, seen);
      return;
    }
    const { tls } = chain;
    if (findings.transportProtocol === 'tls') this.#shakeHands(chain, tls, seen);
    else this.#peek(seen, (bytes) => this.#shakeHands(chain, tls, bytes));
  }
  /** Waits for the ClientHello: what it offers decides on the ALPN of the handshake, whoever inspects TLS or nobody. */
  #peek(seen: Buffer, then: (bytes: Buffer) => void): void {
    const raw = this.#raw;
    let bytes = seen;
    const look = (): boolean => {
      const hello = parseClientHello(bytes);
      if (hello === 'need-more') return false;
      if (typeof hello === 'object') {
        this.#findings.applicationProtocols = hello.alpn;
      }
      raw.off('data', onData);
      raw.off('end', onEnd);
      raw.pause();
      then(bytes);
      return true;
    };
    const onData = (more: Buffer): void => {
      bytes = bytes.length === 0 ? more : Buffer.concat([bytes, more]);
      look();
    };
    const onEnd = (): void => void raw.destroy();
    raw.on('data', onData);
    raw.on('end', onEnd);
    if (!look()) raw.resume();
  }
  #shakeHands(chain: CompiledChain, tls: DownstreamTls, seen: Buffer): void {
    // The handshake reads them again.
    if (seen.length > 0) this.#raw.unshift(seen);
    acceptTls(this.#raw, tls, this.#findings.applicationProtocols, this.#stats.tls as TlsStats, (result, detail) => {
      if (result === undefined) {
        this.#refuse(detail, undefined);
        return;
      }
      this.#run(result.socket, this.#connectionInfo(chain.name, result), chain, noBytes);
    });
  }
  /** From a PROXY protocol header on, the connection is that of the proxy's client. */
  #adoptProxied(): void {
    const { proxied } = this.#findings;
    if (proxied === undefined) return;
    this.#remoteAddress = proxied.sourceAddress;
    this.#remotePort = proxied.sourcePort;
    this.#localAddress = proxied.destinationAddress;
    this.#localPort = proxied.destinationPort;
  }
  /** Hands the connection to its network filters; `seen` was read already. */
  #run(socket: Socket | TLSSocket, connection: ConnectionInfo, chain: CompiledChain, seen: Buffer): void {
    const { network } = chain;
    const factory = network.terminal;
    const info = createStreamInfo(connection, this.#owner.clock.now(), this.#startMs);
    for (const [namespace, values] of this.#findings.metadata) info.dynamicMetadata.set(namespace, values);
    this.#info = info;
    if (factory === undefined && network.filters.length === 0) {
      socket.destroy();
      return;
    }
    const bytes = openByteStream(socket);
    let terminal: TerminalFilter;
    if (network.filters.length === 0 && factory !== undefined) {
      terminal = factory.create({ socket: bytes, connection, info, onUpstreamConnected: () => undefined });
      terminal.open?.();
    } else {
      const filtered: FilteredSocket = new FilteredSocket(bytes, network.filters, connection, info, this.#owner.clock, (self) =>
        factory?.create({ socket: self, connection, info, onUpstreamConnected: () => self.onUpstreamConnected() }),
      );
      terminal = filtered;
      filtered.open();
    }
    this.#terminal = terminal;
    if (this.#drains.size > 0) terminal.drain(this.#anyDrain);
    if (socket !== this.#raw) socket.once('close', () => this.#onClosed('connection closed'));
    socket.on('error', (error) => this.#onClosed(error.message));
    socket.on('end', () => terminal.receiveEnd());
    const borrows = terminal.copiesWhatItKeeps === true;
    if (seen.length > 0) terminal.receive(seen);
    // A terminal that paused (a slow upstream) resumes itself.
    bytes.start(
      borrows ? terminal : { receive: (view) => terminal.receive(keptBytes(view)), onSocketDrain: () => terminal.onSocketDrain() },
    );
  }
  #connectionInfo(chainName: string, handshake: HandshakeResult | undefined): ConnectionInfo {
    const peer = handshake === undefined ? undefined : peerCertificateOf(handshake.socket);
    const localCertificate = handshake?.built.localCertificate;
    const localUriSan = localCertificate?.uriSans[0];
    return {
      id: this.#id,
      remoteAddress: this.#remoteAddress,
      remotePort: this.#remotePort,
      localAddress: this.#localAddress,
      localPort: this.#localPort,
      ...(this.#remoteAddress === this.#directAddress && this.#remotePort === this.#directPort
        ? {}
        : { directRemoteAddress: this.#directAddress, directRemotePort: this.#directPort }),
      ...(this.#findings.proxyTlvs.length === 0 ? {} : { proxyTlvs: this.#findings.proxyTlvs }),
      requestedServerName: this.#findings.serverName,
      listenerName: this.#listener.name,
      listenerMetadata: this.#listener.proto.metadata?.filterMetadata,
      filterChainMetadata: this.#chain?.metadata,
      filterChainName: chainName,
      direction: this.#listener.direction,
      ...(handshake === undefined
        ? {}
        : {
            tls: {
              version: handshake.socket.getProtocol() ?? '',
              cipher: handshake.socket.getCipher().name,
              alpn: handshake.alpn,
              ...(peer === undefined ? {} : { peer }),
              ...(localUriSan === undefined ? {} : { localUriSan }),
              ...(localCertificate === undefined ? {} : { localCertificate }),
              ...(peer === undefined ? {} : { peerChain: () => peerChainOf(handshake.socket) }),
            },
          }),
    };
  }
  /** Ends a connection that no filter chain took, or whose handshake failed. */
  #refuse(details: string, flag: 'NR' | undefined, unread = false): void {
    const { accessLogs, tap } = this.#listener;
    if (accessLogs.length > 0 || tap.watched) {
      const info = createStreamInfo(this.#connectionInfo(this.#chain?.name ?? '', undefined), this.#owner.clock.now(), this.#startMs);
      if (flag !== undefined) info.responseFlags.add(flag);
      info.responseCodeDetails = details;
      this.#info = info;
      info.durationMs = this.#owner.clock.monotonic() - this.#startMs;
      // No filter will tell of its end.
      if (tap.watched) tap.see({ info });
    }
    // Bytes that only filters have looked at make a close a reset, as in Envoy.
    if (unread) this.#raw.resetAndDestroy();
    else this.#raw.destroy();
  }
  #onClosed(detail: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#terminal?.closed(detail);
    if (this.#phase === 'inspecting') this.#stats.preCxActive.add(-1);
    if (this.#phase === 'open') {
      this.#stats.cxActive.add(-1);
      this.#stats.workerCxActive.add(-1);
      this.#stats.cxDestroy.add(1);
      this.#stats.cxLengthMs.record(this.#owner.clock.monotonic() - this.#startMs);
    }
    this.#log();
    this.#owner.onConnectionClosed(this);
  }
  /** Every connection has its line in the listener's own log, also one that its filters turned away. */
  #log(): void {
    const { accessLogs } = this.#listener;
    if (accessLogs.length === 0) return;
    this.#adoptProxied();
    const info =
      this.#info ?? createStreamInfo(this.#connectionInfo(this.#chain?.name ?? '', undefined), this.#owner.clock.now(), this.#startMs);
    if (this.#info === undefined) for (const [namespace, values] of this.#findings.metadata) info.dynamicMetadata.set(namespace, values);
    info.durationMs = this.#owner.clock.monotonic() - this.#startMs;
    for (const log of accessLogs) log.log({ info });
  }
}
