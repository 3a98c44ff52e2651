import { type Clock, type Deadlines, deadlinesOf, type Random } from '@xebec/core';
import type { ConnectionInfo, StreamInfo } from '@xebec/telemetry';
import type {
  CodecOutput,
  RefusalAnswer,
  RefusedRequest,
  RequestHead,
  RequestReceiver,
  ServerConnection,
  ServerConnectionHandler,
  ServerStream,
} from '@xebec/wire';
import { properCaseWords } from '@xebec/wire';
import type { ClusterManager } from '../clusters/cluster-manager.ts';
import { keptBytes } from '../net/read-area.ts';
import type { DownstreamSocket, TerminalFilter } from '../network/terminal.ts';
import type { DrainDecision } from '../runtime/drain-sequence.ts';
import { createServerCodec, type HttpProtocol } from './codecs.ts';
import type { HttpSettings } from './http-settings.ts';
import { HttpStream, type HttpStreamOwner } from './http-stream.ts';
import { answerRefused, logInvalidRequest } from './refused-request.ts';

export interface HttpConnectionParts {
  readonly settings: HttpSettings;
  readonly clusters: ClusterManager;
  readonly clock: Clock;
  readonly random: Random;
}

const preface = Buffer.from('PRI * HTTP/2');

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
  #draining = false;
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
    if (codec !== 'auto') this.#start(codec);
    else if (alpn === 'h2' || alpn === 'istio-h2') this.#start('http2');
    else if (alpn.endsWith('http/1.1') || alpn.endsWith('http/1.0')) this.#start('http1');
    this.#idleSinceMs = this.clock.monotonic();
    this.#armIdle(this.settings.idleTimeoutMs);
    if (this.settings.maxConnectionMs > 0)
      this.#cancelMaxAge = this.clock.setTimeout(() => this.#endAfterStreams(), this.settings.maxConnectionMs);
  }
  /** Bytes from the client. */
  receive(bytes: Buffer): void {
    this.settings.stats.cxRxBytes.add(bytes.length);
    this.#info.bytesReceived += bytes.length;
    if (this.#codec !== undefined) {
      this.#codec.receive(this.#protocol === 'http1' ? bytes : keptBytes(bytes));
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
    const { stats } = this.settings;
    stats.cxActive.add(-1);
    stats.cxDestroy.add(1);
    if (this.connectionInfo.tls !== undefined) stats.cxTls.active.add(-1);
    if (this.#protocol !== undefined) (this.#protocol === 'http2' ? stats.cxHttp2 : stats.cxHttp1).active.add(-1);
    stats.ended(this.#endedHere ? 'local' : 'remote', this.#active > 0, this.clock.monotonic() - this.#sinceMs);
    this.#codec?.closed(detail);
  }
  /** Asked with each response: whether the connection ends with it. */
  get draining(): boolean {
    if (this.#draining) return true;
    if (this.#drainDecision === undefined || !this.#drainDecision()) return false;
    this.settings.stats.cxDrainClose.add(1);
    this.#endAfterStreams();
    return true;
  }
  drain(decide: DrainDecision): void {
    this.#drainDecision = decide;
  }
  onRequest(server: ServerStream, head: RequestHead, endStream: boolean): RequestReceiver {
    const { stats } = this.settings;
    stats.rqTotal.add(1);
    (head.version === 'HTTP/2' ? stats.rqHttp2 : stats.rqHttp1).add(1);
    stats.rqActive.add(1);
    this.#active++;
    this.#requests++;
    const max = this.settings.maxRequestsPerConnection;
    if (max > 0 && this.#requests >= max) this.#endAfterStreams();
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
    return answerRefused(refused, this.settings, this.connectionInfo, this.clock.now(), this.clock.monotonic());
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
    this.#socket.end();
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
        ...(this.settings.properCase ? { formatName: properCaseWords } : {}),
      },
      { maxHeadersBytes, maxHeadersCount, maxConcurrentStreams, ...this.settings.http2 },
    );
    this.#codec = codec;
    this.#protocol = protocol;
    this.#info.protocol = protocol === 'http2' ? 'HTTP/2' : 'HTTP/1.1';
    const kind = protocol === 'http2' ? this.settings.stats.cxHttp2 : this.settings.stats.cxHttp1;
    kind.total.add(1);
    kind.active.add(1);
    if (this.#draining && protocol === 'http2') codec.drain();
    return codec;
  }
  /** No more requests: `connection: close` on the next response, or GOAWAY. */
  #endAfterStreams(): void {
    if (this.#draining) return;
    this.#draining = true;
    // HTTP/1.1 has no way to say so between requests, and closing would race with the next one: its answer carries the close.
    if (this.#protocol === 'http2') this.#codec?.drain();
  }
  #armIdle(ms: number): void {
    if (this.settings.idleTimeoutMs === 0) return;
    this.#cancelIdle = this.clock.setTimeout(() => {
      const left = this.settings.idleTimeoutMs - (this.clock.monotonic() - this.#idleSinceMs);
      if (this.#active > 0 || left > 1) {
        this.#armIdle(this.#active > 0 ? this.settings.idleTimeoutMs : left);
        return;
      }
      this.settings.stats.cxIdleTimeout.add(1);
      this.#endedHere = true;
      this.#endAfterStreams();
      if (this.#protocol !== 'http2') this.#socket.end();
    }, ms);
  }
}
