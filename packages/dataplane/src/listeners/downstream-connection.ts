import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '@xebec/core';
import { type ConnectionInfo, createStreamInfo, type StreamInfo } from '@xebec/telemetry';
import { plainAddress } from '../net/endpoint-address.ts';
import type { SocketInspector } from '../net/original-destination.ts';
import { FilteredSocket } from '../network/filtered-socket.ts';
import type { TerminalFilter } from '../network/terminal.ts';
import { peerCertificateOf } from '../tls/peer-certificate.ts';
import type { CompiledChain, CompiledListener } from './compiled-listener.ts';
import { acceptTls, type HandshakeResult, type TlsStats } from './downstream-tls.ts';
import { type Inspection, inspect, nothingSeen } from './inspection.ts';
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

const maxInspectedBytes = 64 * 1024;
const noBytes = Buffer.alloc(0);

/** One accepted connection: original destination, first bytes, filter chain, TLS, then its network filters. */
export class DownstreamConnection {
  readonly #owner: ConnectionOwner;
  readonly #raw: Socket;
  #listener: CompiledListener;
  #stats: ListenerStats;
  readonly #startMs: number;
  readonly #id: number;
  readonly #remoteAddress: string;
  readonly #remotePort: number;
  #localAddress: string;
  #localPort: number;
  #chain: CompiledChain | undefined;
  #terminal: TerminalFilter | undefined;
  #draining = false;
  #closed = false;

  constructor(raw: Socket, listener: CompiledListener, stats: ListenerStats, owner: ConnectionOwner) {
    this.#raw = raw;
    this.#listener = listener;
    this.#stats = stats;
    this.#owner = owner;
    this.#startMs = owner.clock.monotonic();
    this.#id = owner.nextConnectionId();
    this.#remoteAddress = plainAddress(raw.remoteAddress);
    this.#remotePort = raw.remotePort ?? 0;
    this.#localAddress = plainAddress(raw.localAddress);
    this.#localPort = raw.localPort ?? 0;
  }
  get chain(): CompiledChain | undefined {
    return this.#chain;
  }
  get listenerName(): string {
    return this.#listener.name;
  }
  start(): void {
    const raw = this.#raw;
    raw.on('error', () => undefined);
    raw.once('close', () => this.#onClosed('connection closed'));
    this.#findOriginalDestination();
    this.#stats.cxTotal.add(1);
    this.#stats.cxActive.add(1);
    const { filters } = this.#listener;
    const tls = filters.inspectsTls(this.#localPort) || this.#listener.allChains.some((chain) => chain.tls !== undefined);
    const http = filters.inspectsHttp(this.#localPort);
    if (tls || http) this.#inspect(tls, http);
    else this.#choose(nothingSeen, noBytes);
  }
  /** No new requests; the connection ends when what runs has ended. */
  drain(): void {
    this.#draining = true;
    this.#terminal?.drain();
  }
  close(): void {
    this.#raw.destroy();
  }
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
  #inspect(tls: boolean, http: boolean): void {
    const raw = this.#raw;
    const { filtersTimeoutMs, continueOnTimeout } = this.#listener;
    let seen: Buffer = noBytes;
    let cancel: (() => void) | undefined;
    const finish = (inspection: Inspection): void => {
      cancel?.();
      raw.off('data', onData);
      raw.off('end', onEnd);
      raw.pause();
      this.#choose(inspection, seen);
    };
    const onData = (bytes: Buffer): void => {
      seen = seen.length === 0 ? bytes : Buffer.concat([seen, bytes]);
      const inspection = inspect(seen, tls, http);
      if (inspection !== undefined) finish(inspection);
      else if (seen.length > maxInspectedBytes) finish(nothingSeen);
    };
    // A client that closes before it said anything has nothing to be told.
    const onEnd = (): void => {
      if (seen.length === 0) raw.destroy();
      else finish(nothingSeen);
    };
    raw.on('data', onData);
    raw.on('end', onEnd);
    if (filtersTimeoutMs > 0) {
      cancel = this.#owner.clock.setTimeout(() => {
        this.#stats.preCxTimeout.add(1);
        if (continueOnTimeout) finish(nothingSeen);
        else raw.destroy();
      }, filtersTimeoutMs);
      raw.once('close', cancel);
    }
    raw.resume();
  }
  #choose(inspection: Inspection, seen: Buffer): void {
    const chain = this.#listener.chains.find({
      destinationAddress: this.#localAddress,
      destinationPort: this.#localPort,
      sourceAddress: this.#remoteAddress,
      directSourceAddress: this.#remoteAddress,
      sourcePort: this.#remotePort,
      serverName: inspection.serverName,
      transportProtocol: inspection.tls ? 'tls' : 'raw_buffer',
      applicationProtocols: inspection.applicationProtocols,
    });
    if (chain === undefined) {
      this.#stats.noFilterChainMatch.add(1);
      this.#refuse(inspection, 'filter_chain_not_found');
      return;
    }
    this.#chain = chain;
    if (chain.tls === undefined) {
      this.#run(this.#raw, this.#connectionInfo(chain, inspection, undefined), chain, seen);
      return;
    }
    // The handshake reads them again.
    if (seen.length > 0) this.#raw.unshift(seen);
    acceptTls(this.#raw, chain.tls, inspection.applicationProtocols, this.#stats.tls as TlsStats, (result, detail) => {
      if (result === undefined) {
        this.#refuse(inspection, detail);
        return;
      }
      this.#run(result.socket, this.#connectionInfo(chain, inspection, result), chain, noBytes);
    });
  }
  /** Hands the connection to its network filters; `seen` was read already. */
  #run(socket: Socket | TLSSocket, connection: ConnectionInfo, chain: CompiledChain, seen: Buffer): void {
    const { network } = chain;
    const factory = network.terminal;
    const info = createStreamInfo(connection, this.#owner.clock.now(), this.#startMs);
    if (factory === undefined && network.filters.length === 0) {
      socket.destroy();
      return;
    }
    let terminal: TerminalFilter;
    if (network.filters.length === 0 && factory !== undefined) {
      terminal = factory.create({ socket, connection, info, onUpstreamConnected: () => undefined });
    } else {
      const filtered: FilteredSocket = new FilteredSocket(socket, network.filters, connection, info, this.#owner.clock, (self) =>
        factory?.create({ socket: self, connection, info, onUpstreamConnected: () => self.onUpstreamConnected() }),
      );
      terminal = filtered;
      filtered.open();
    }
    this.#terminal = terminal;
    if (this.#draining) terminal.drain();
    if (socket !== this.#raw) socket.once('close', () => this.#onClosed('connection closed'));
    socket.on('error', (error) => this.#onClosed(error.message));
    socket.on('drain', () => terminal.onSocketDrain());
    socket.on('end', () => terminal.receiveEnd());
    if (seen.length > 0) terminal.receive(seen);
    socket.on('data', (bytes: Buffer) => terminal.receive(bytes));
    // A terminal that paused (a slow upstream) resumes itself; so does the inspector's pause end here.
    if (!socket.isPaused() || seen.length > 0 || socket === this.#raw) socket.resume();
  }
  #connectionInfo(chain: CompiledChain, inspection: Inspection, handshake: HandshakeResult | undefined): ConnectionInfo {
    const peer = handshake === undefined ? undefined : peerCertificateOf(handshake.socket);
    const localUriSan = handshake?.built.localUriSan;
    return {
      id: this.#id,
      remoteAddress: this.#remoteAddress,
      remotePort: this.#remotePort,
      localAddress: this.#localAddress,
      localPort: this.#localPort,
      requestedServerName: inspection.serverName,
      listenerName: this.#listener.name,
      filterChainName: chain.name,
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
            },
          }),
    };
  }
  #refuse(inspection: Inspection, details: string): void {
    const { accessLogs } = this.#listener;
    if (accessLogs.length > 0) {
      const info: StreamInfo = createStreamInfo(
        this.#connectionInfo(
          { name: '', tls: undefined, network: { filters: [], terminal: undefined, close: () => undefined, whenReady: () => undefined } },
          inspection,
          undefined,
        ),
        this.#owner.clock.now(),
        this.#startMs,
      );
      if (this.#chain === undefined) info.responseFlags.add('NR');
      info.responseCodeDetails = details;
      info.durationMs = this.#owner.clock.monotonic() - this.#startMs;
      for (const log of accessLogs) log.log({ info });
    }
    this.#raw.destroy();
  }
  #onClosed(detail: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#terminal?.closed(detail);
    this.#stats.cxActive.add(-1);
    this.#stats.cxDestroy.add(1);
    this.#stats.cxLengthMs.record(this.#owner.clock.monotonic() - this.#startMs);
    this.#owner.onConnectionClosed(this);
  }
}
