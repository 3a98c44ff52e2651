import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { PeerCertificate, UpstreamConnectionInfo } from '@xebec/telemetry';
import type { ClientConnection, ClientStream, CodecOutput, ResponseReceiver } from '@xebec/wire';
import { type ClientCodecOptions, createClientCodec, type UpstreamProtocol } from '../http/codecs.ts';
import { type ByteStream, type ByteStreamHandler, openByteStream } from '../net/byte-stream.ts';
import type { SocketInspector } from '../net/original-destination.ts';
import { keptBytes } from '../net/read-area.ts';
import { ownCertificateOf, peerCertificateOf } from '../tls/peer-certificate.ts';
import type { ClusterStats } from './cluster-stats.ts';
import type { Host } from './host.ts';
import { localAddressText } from './upstream-transport.ts';

/** Idle at least this long, a connection is looked at before it is used again: the peer may just have closed it. */
const inspectAfterIdleMs = 500;

/** What was agreed with the upstream; undefined without TLS. */
export function tlsDetailsOf(socket: Socket): UpstreamConnectionInfo['tlsDetails'] {
  if (!(socket instanceof TLSSocket)) return undefined;
  const { servername } = socket as TLSSocket & { readonly servername?: string | false }; // Node has it; its types do not.
  return {
    version: socket.getProtocol() ?? '',
    cipher: socket.getCipher()?.standardName ?? '',
    serverName: typeof servername === 'string' ? servername : '',
    sessionId: socket.getSession()?.toString('hex').slice(0, 64) ?? '',
  };
}

export interface UpstreamHttpConnectionOwner {
  onAvailable(connection: UpstreamHttpConnection): void;
  onClosed(connection: UpstreamHttpConnection): void;
}

let nextId = 1;

/** Numbers connections to upstreams, whatever they carry. */
export const nextConnectionId = (): number => nextId++;

/** One pooled connection to a host: a socket and its codec. */
export class UpstreamHttpConnection implements CodecOutput, ByteStreamHandler, UpstreamConnectionInfo {
  readonly id = nextConnectionId();
  readonly host: Host;
  readonly protocol: UpstreamProtocol;
  readonly localAddress: string;
  readonly tls: boolean;
  readonly codec: ClientConnection;
  readonly #socket: Socket;
  readonly #bytes: ByteStream;
  readonly #owner: UpstreamHttpConnectionOwner;
  readonly #stats: ClusterStats;
  readonly #inspector: SocketInspector | undefined;
  #peer: PeerCertificate | undefined;
  #closed = false;
  readonly #sinceMs = performance.now();
  requests = 0;
  idleSinceMs = 0;
  /** How long it had rested before its current request; by the clock of `idleSinceMs`. */
  reusedAfterMs = 0;
  draining = false;
  /** Cancels the timer that ends its life. */
  endOfLife: (() => void) | undefined = undefined;
  /** Requests that are under way; still counted while the codec tells them of their end. */
  busyStreams = 0;
  #lostStreams = 0;
  #closer: 'local' | 'remote' | undefined;
  #closedBusy = false;

  constructor(
    host: Host,
    protocol: UpstreamProtocol,
    socket: Socket,
    owner: UpstreamHttpConnectionOwner,
    stats: ClusterStats,
    inspector: SocketInspector | undefined,
    options: ClientCodecOptions,
  ) {
    this.host = host;
    this.protocol = protocol;
    this.#socket = socket;
    this.#owner = owner;
    this.#stats = stats;
    this.#inspector = inspector;
    this.tls = socket instanceof TLSSocket;
    this.localAddress = localAddressText(socket);
    this.codec = createClientCodec(protocol, this, options);
    this.codec.onAvailable = () => owner.onAvailable(this);
    socket.on('end', () => this.#ended());
    socket.on('error', (error) => {
      // For the codec a reset is an end like any other, as it is for Envoy's.
      this.#ended();
      this.#gone(error.message);
    });
    socket.on('close', () => {
      this.#closes('remote');
      this.#gone('connection closed');
    });
    this.#bytes = openByteStream(socket);
    this.#bytes.start(this);
  }
  get protocolName(): string {
    return this.protocol === 'http2' ? 'HTTP/2' : 'HTTP/1.1';
  }
  get tlsDetails(): UpstreamConnectionInfo['tlsDetails'] {
    return tlsDetailsOf(this.#socket);
  }
  get localCertificate(): PeerCertificate | undefined {
    return this.#socket instanceof TLSSocket ? ownCertificateOf(this.#socket) : undefined;
  }
  get closed(): boolean {
    return this.#closed;
  }
  get peer(): PeerCertificate | undefined {
    if (this.#peer === undefined && this.#socket instanceof TLSSocket) this.#peer = peerCertificateOf(this.#socket);
    return this.#peer;
  }
  get available(): boolean {
    return !this.#closed && !this.draining && this.codec.available;
  }
  /** Whether a long idle connection has been closed by its peer without an event for it yet. TLS records may wait unread: no verdict. */
  isStale(nowMs: number): boolean {
    if (this.#inspector === undefined || this.tls || this.requests === 0 || this.codec.activeStreams > 0) return false;
    return nowMs - this.idleSinceMs >= inspectAfterIdleMs && this.#inspector.hasInput(this.#socket);
  }
  openStream(receiver: ResponseReceiver): ClientStream | undefined {
    const stream = this.codec.openStream(receiver);
    if (stream !== undefined) this.requests++;
    return stream;
  }
  drain(): void {
    if (this.draining) return;
    this.draining = true;
    this.codec.drain();
  }
  close(): void {
    this.#closes('local');
    this.#socket.destroy();
    this.#gone('closed locally');
  }
  write(bytes: Buffer): boolean {
    if (this.#closed) return true;
    this.#stats.cxTxBytes.add(bytes.length);
    return this.#bytes.write(bytes);
  }
  writeText(text: string): boolean {
    if (this.#closed) return true;
    this.#stats.cxTxBytes.add(text.length);
    return this.#bytes.writeText(text);
  }
  writeArea(size: number): Buffer | undefined {
    return this.#bytes.writeArea(size);
  }
  receive(bytes: Buffer): void {
    this.#stats.cxRxBytes.add(bytes.length);
    this.codec.receive(this.protocol === 'http1' ? bytes : keptBytes(bytes));
  }
  onSocketDrain(): void {
    this.codec.onSocketDrain();
  }
  end(): void {
    this.#closes('local');
    this.#socket.end();
    // A peer that does not answer a half-close must not hold the socket.
    this.#socket.setTimeout(10_000, () => this.#socket.destroy());
    if (this.codec.activeStreams === 0) this.#gone('closed locally');
  }
  destroy(detail: string): void {
    this.#closes('local');
    this.#socket.destroy();
    queueMicrotask(() => this.#gone(detail));
  }
  pauseReading(): void {
    this.#bytes.pause();
  }
  resumeReading(): void {
    this.#bytes.resume();
  }
  #ended(): void {
    this.#closes('remote');
    this.codec.receiveEnd();
  }
  /** A request on it has failed or was given up. */
  loses(): void {
    this.#lostStreams++;
  }
  /** Who closes first, and whether requests are lost by it. */
  #closes(who: 'local' | 'remote'): void {
    if (this.#closer !== undefined) return;
    this.#closer = who;
    this.#closedBusy = this.busyStreams > 0;
  }
  #gone(detail: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.codec.closed(detail);
    const { scope } = this.#stats;
    const who = this.#closer ?? 'local';
    scope.counter(`upstream_cx_destroy_${who}`).add(1);
    // HTTP/1 ends with the request that is lost, and with one whose answer came before its body had gone.
    const busy = this.protocol === 'http1' ? this.#lostStreams > 0 || this.codec.requestCut === true : this.#closedBusy;
    if (busy) {
      scope.counter('upstream_cx_destroy_with_active_rq').add(1);
      scope.counter(`upstream_cx_destroy_${who}_with_active_rq`).add(1);
    }
    if (this.codec.peerClosing === true) scope.counter('upstream_cx_close_notify').add(1);
    if (this.codec.protocolError === true) scope.counter('upstream_cx_protocol_error').add(1);
    this.#stats.cxDestroy.add(1);
    this.#stats.lasted(performance.now() - this.#sinceMs);
    this.#stats.cxActive.add(-1);
    this.host.activeConnections--;
    this.#owner.onClosed(this);
  }
}
