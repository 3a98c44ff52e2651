import { type Clock, type Deadlines, deadlinesOf, type Random } from '@xebec/core';
import type { ConnectionInfo, StreamInfo } from '@xebec/telemetry';
import type {
  ByteMeter,
  CodecOutput,
  RefusalAnswer,
  RefusedRequest,
  RequestHead,
  RequestReceiver,
  ServerConnection,
  ServerConnectionHandler,
  ServerStream,
} from '@xebec/wire';
import type { ClusterManager } from '../clusters/cluster-manager.ts';
import { keptBytes } from '../net/read-area.ts';
import type { DownstreamSocket, TerminalFilter } from '../network/terminal.ts';
import type { DrainDecision } from '../runtime/drain-sequence.ts';
import { createServerCodec, type HttpProtocol } from './codecs.ts';
import type { HttpSettings } from './http-settings.ts';
import { HttpStream, type HttpStreamOwner } from './http-stream.ts';
import { PendingHead } from './pending-head.ts';
import { answerRefused, type HeadTimeout, logInvalidRequest } from './refused-request.ts';

export interface HttpConnectionParts {
  readonly settings: HttpSettings;
  readonly clusters: ClusterManager;
  readonly clock: Clock;
  readonly random: Random;
}

const preface = Buffer.from('PRI * HTTP/2');

/**
 * - `open`: requests are welcome.
 * - `draining`: the client is told with each answer that the connection will end, and may still send requests until the drain time ends.
 * - `closing`: it ends with the last request under way.
 */
type DrainState = 'open' | 'draining' | 'closing';

/** A downstream connection that speaks HTTP: its codec and the streams on it. */
export class HttpConnection implements CodecOutput, ServerConnectionHandler, HttpStreamOwner, TerminalFilter {
  readonly settings: HttpSettings;
  readonly clusters: ClusterManager;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly random: Random;
  readonly connectionInfo: ConnectionInfo;
  readonly copiesWhatItKeeps = true;
  readonly #socket: DownstreamSocket;
  /** Of the connection, as the listener's log tells it. */
  readonly #info: StreamInfo;
  #codec: ServerConnection | undefined;
  #protocol: HttpProtocol | undefined;
  #sniffed: Buffer | undefined;
  #active = 0;
  #requests = 0;
  #closed = false;
  /** The protocol that was agreed on; its codec begins with the first bytes. */
  #agreed: HttpProtocol | undefined;
  #pendingHead: PendingHead | undefined;
  #drain: DrainState = 'open';
  /** Its drain time has passed. */
  #drained = false;
  #cancelDrain: (() => void) | undefined;
  #drainDecision: DrainDecision | undefined;
  #cancelIdle: (() => void) | undefined;
  #cancelMaxAge: (() => void) | undefined;
  #idleSinceMs = 0;
  readonly #sinceMs: number;
  /** Whoever ends the connection first has ended it. */
  #endedHere = false;

  constructor(socket: DownstreamSocket, info: ConnectionInfo, parts: HttpConnectionParts, streamInfo: StreamInfo) {
    this.#info = streamInfo;
    this.#socket = socket;
    this.connectionInfo = info;
    this.settings = parts.settings;
    this.clusters = parts.clusters;
    this.clock = parts.clock;
    this.deadlines = deadlinesOf(parts.clock);
    this.random = parts.random;
    const { stats, codec } = this.settings;
    stats.cxTotal.add(1);
    stats.cxActive.add(1);
    if (info.tls !== undefined) {
      stats.cxTls.total.add(1);
      stats.cxTls.active.add(1);
    }
    this.#sinceMs = this.clock.monotonic();
    const alpn = info.tls?.alpn ?? '';
    if (codec !== 'auto') this.#agreed = codec;
    else if (alpn === 'h2' || alpn === 'istio-h2') this.#agreed = 'http2';
    else if (alpn.endsWith('http/1.1') || alpn.endsWith('http/1.0')) this.#agreed = 'http1';
    this.#idleSinceMs = this.clock.monotonic();
    this.#armIdle(this.settings.idleTimeoutMs);
    if (this.settings.maxConnectionMs > 0)
      this.#cancelMaxAge = this.clock.setTimeout(() => this.#onMaxAge(), this.settings.maxConnectionMs);
  }
  /** Bytes from the client. */
  receive(bytes: Buffer): void {
    this.settings.stats.cxRxBytes.add(bytes.length);
    this.#info.bytesReceived += bytes.length;
    if (this.#codec !== undefined) {
      this.#codec.receive(this.#protocol === 'http1' ? bytes : keptBytes(bytes));
      return;
    }
    if (this.#agreed !== undefined) {
      this.#start(this.#agreed).receive(this.#agreed === 'http1' ? bytes : keptBytes(bytes));
      return;
    }
    const seen = this.#sniffed === undefined ? keptBytes(bytes) : Buffer.concat([this.#sniffed, bytes]);
    const length = Math.min(seen.length, preface.length);
    const couldBeHttp2 = seen.compare(preface, 0, length, 0, length) === 0;
    if (couldBeHttp2 && seen.length < preface.length) {
      this.#sniffed = seen;
      return;
    }
    this.#sniffed = undefined;
    this.#start(couldBeHttp2 ? 'http2' : 'http1').receive(seen);
  }
  /** A client that closes its side is gone, as Envoy sees it: nobody would read the answer. */
  receiveEnd(): void {
    this.closed('the client closed the connection');
    this.#socket.destroySoon();
  }
  withheld(bytes: number): void {
    this.#info.bytesReceived += bytes;
  }
  onSocketDrain(): void {
    this.#codec?.onSocketDrain();
  }
  /** The socket is gone. */
  closed(detail: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelIdle?.();
    this.#cancelMaxAge?.();
    this.#cancelDrain?.();
    const { stats } = this.settings;
    stats.cxActive.add(-1);
    stats.cxDestroy.add(1);
    if (this.connectionInfo.tls !== undefined) stats.cxTls.active.add(-1);
    if (this.#protocol !== undefined) (this.#protocol === 'http2' ? stats.cxHttp2 : stats.cxHttp1).active.add(-1);
    const pending = this.#pendingHead;
    this.#pendingHead = undefined;
    stats.ended(this.#endedHere ? 'local' : 'remote', this.#active > 0 || pending !== undefined, this.clock.monotonic() - this.#sinceMs);
    pending?.cutOff();
    this.#codec?.closed(detail);
  }
  /** Asked with each response: whether the connection ends with it. */
  get draining(): boolean {
    if (this.#drain !== 'open') return true;
    if (this.#drainDecision === undefined || !this.#drainDecision()) return false;
    this.settings.stats.cxDrainClose.add(1);
    this.#startDrain();
    return true;
  }
  drain(decide: DrainDecision): void {
    this.#drainDecision = decide;
  }
  onRequestBegins(bytes: ByteMeter): void {
    this.#pendingHead = new PendingHead(this, bytes);
  }
  onHeadTimeout(limit: HeadTimeout): void {
    const { stats } = this.settings;
    if (limit === 'request timeout') stats.rqTimeout.add(1);
    else if (limit === 'request header timeout') stats.count('downstream_rq_header_timeout');
    else if (limit === 'stream timeout') stats.rqIdleTimeout.add(1);
    else stats.rqMaxDuration.add(1);
    this.#codec?.refuse(408, limit);
  }
  onRequest(server: ServerStream, head: RequestHead, endStream: boolean): RequestReceiver {
    const { stats } = this.settings;
    const pending = this.#pendingHead;
    if (pending === undefined) {
      stats.rqTotal.add(1);
      (head.version === 'HTTP/2' ? stats.rqHttp2 : stats.rqHttp1).add(1);
    } else {
      this.#pendingHead = undefined;
      pending.end();
    }
    stats.rqActive.add(1);
    this.#active++;
    this.#requests++;
    const max = this.settings.maxRequestsPerConnection;
    if (max > 0 && this.#requests >= max) this.#endAfterRequests();
    const stream = new HttpStream(this, server, head);
    stream.start(endStream);
    return stream;
  }
  onRedirect(server: ServerStream, head: RequestHead, earlier: HttpStream): HttpStream {
    const { stats } = this.settings;
    stats.rqTotal.add(1);
    (head.version === 'HTTP/2' ? stats.rqHttp2 : stats.rqHttp1).add(1);
    stats.rqActive.add(1);
    this.#active++;
    return new HttpStream(this, server, head, earlier);
  }
  onRefusedRequest(refused: RefusedRequest): RefusalAnswer {
    const pending = this.#pendingHead;
    this.#pendingHead = undefined;
    pending?.end();
    // Counted where the proxy drains, as with any other answer.
    void this.draining;
    const startMs = pending?.startMs ?? this.clock.now();
    const startMonotonicMs = pending?.startMonotonicMs ?? this.clock.monotonic();
    return answerRefused(refused, this.settings, this.connectionInfo, startMs, startMonotonicMs, pending !== undefined);
  }
  onInvalidRequest(detail: string): void {
    logInvalidRequest(detail, this.settings, this.connectionInfo, this.clock.now(), this.clock.monotonic());
  }
  onProtocolError(_detail: string): void {
    this.settings.stats.cxProtocolError.add(1);
  }
  onStreamDone(_stream: HttpStream): void {
    this.settings.stats.rqActive.add(-1);
    this.#active--;
    if (this.#active === 0) this.#idleSinceMs = this.clock.monotonic();
  }
  write(bytes: Buffer): boolean {
    this.settings.stats.cxTxBytes.add(bytes.length);
    this.#info.bytesSent += bytes.length;
    return this.#socket.write(bytes);
  }
  writeText(text: string): boolean {
    this.settings.stats.cxTxBytes.add(text.length);
    this.#info.bytesSent += text.length;
    const socket = this.#socket;
    return socket.writeText === undefined ? socket.write(Buffer.from(text, 'latin1')) : socket.writeText(text);
  }
  writeArea(size: number): Buffer | undefined {
    return this.#socket.writeArea?.(size);
  }
  end(): void {
    if (this.#drain === 'closing' && this.#drained && this.settings.delayedCloseMs > 0)
      this.#cancelDrain = this.clock.setTimeout(() => this.#endNow(), this.settings.delayedCloseMs);
    else this.#socket.end();
  }
  destroy(_detail: string): void {
    this.#endedHere = true;
    // What was written (a 400, a GOAWAY) should arrive before the reset.
    this.#socket.destroySoon();
  }
  pauseReading(): void {
    this.#socket.pause();
  }
  resumeReading(): void {
    this.#socket.resume();
  }
  #start(protocol: HttpProtocol): ServerConnection {
    const { maxHeadersBytes, maxHeadersCount, acceptHttp10, allowAbsoluteUrl, maxConcurrentStreams } = this.settings;
    const scheme = this.connectionInfo.tls === undefined ? 'http' : 'https';
    const codec = createServerCodec(
      protocol,
      this,
      this,
      {
        maxHeadersBytes,
        maxHeadersCount,
        acceptHttp10,
        allowAbsoluteUrl,
        scheme,
        ...this.settings.headerCase,
      },
      { maxHeadersBytes, maxHeadersCount, maxConcurrentStreams, ...this.settings.http2 },
    );
    this.#codec = codec;
    this.#protocol = protocol;
    this.#info.protocol = protocol === 'http2' ? 'HTTP/2' : 'HTTP/1.1';
    const kind = protocol === 'http2' ? this.settings.stats.cxHttp2 : this.settings.stats.cxHttp1;
    kind.total.add(1);
    kind.active.add(1);
    return codec;
  }
  endSoon(): void {
    this.#startDrain();
  }
  /** Tells the client to go elsewhere, and leaves it the drain time to do so. */
  #startDrain(): void {
    if (this.#drain !== 'open') return;
    this.#drain = 'draining';
    this.#codec?.announceDrain();
    this.#cancelDrain = this.clock.setTimeout(() => this.#endDrain(), this.settings.drainTimeoutMs);
  }
  #endDrain(): void {
    this.#drain = 'closing';
    this.#drained = true;
    this.#codec?.drain();
  }
  #endAfterRequests(): void {
    this.settings.stats.count('downstream_cx_max_requests_reached');
    if (this.#protocol === 'http2') this.#startDrain();
    else if (this.#drain === 'open') this.#drain = 'closing';
  }
  #onMaxAge(): void {
    this.settings.stats.count('downstream_cx_max_duration_reached');
    if (this.#codec === undefined) this.#endNow();
    else this.#startDrain();
  }
  #endNow(): void {
    this.#endedHere = true;
    this.#socket.end();
  }
  #armIdle(ms: number): void {
    if (this.settings.idleTimeoutMs === 0) return;
    this.#cancelIdle = this.clock.setTimeout(() => {
      const left = this.settings.idleTimeoutMs - (this.clock.monotonic() - this.#idleSinceMs);
      const busy = this.#active > 0 || this.#pendingHead !== undefined;
      if (busy || left > 1) {
        this.#armIdle(busy ? this.settings.idleTimeoutMs : left);
        return;
      }
      this.settings.stats.cxIdleTimeout.add(1);
      if (this.#codec === undefined) this.#endNow();
      else this.#startDrain();
    }, ms);
  }
}
