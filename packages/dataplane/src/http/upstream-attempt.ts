import {
  type ByteMeter,
  type ClientStream,
  fieldBytesOf,
  type HeaderList,
  header,
  type RequestHead,
  type ResetReason,
  type ResponseHead,
  type ResponseReceiver,
} from '@xebec/wire';
import type { Cluster } from '../clusters/cluster.ts';
import type { Host } from '../clusters/host.ts';
import type { HttpPool, PoolWaiter } from '../clusters/http-pool.ts';
import type { ResourceLimits } from '../clusters/resource-limits.ts';
import type { UpstreamHttpConnection } from '../clusters/upstream-http-connection.ts';
import type { AttemptFailure } from './retry-policy.ts';

/** A peer that closes idle connections does so after seconds: only then may it have been closing this one. */
const replayAfterIdleMs = 900;
const emptyBody = Buffer.alloc(0);

/** Who started an attempt. After `onFailure` or an ended response nothing follows. */
export interface AttemptOwner {
  onConnected(attempt: UpstreamAttempt): void;
  onInterim(attempt: UpstreamAttempt, head: ResponseHead): void;
  onResponseHead(attempt: UpstreamAttempt, head: ResponseHead, endStream: boolean): void;
  onResponseData(attempt: UpstreamAttempt, data: Buffer, endStream: boolean): void;
  onResponseTrailers(attempt: UpstreamAttempt, trailers: HeaderList): void;
  onFailure(attempt: UpstreamAttempt, reason: AttemptFailure, detail: string): void;
  onUpstreamDrain(attempt: UpstreamAttempt): void;
}

/** One try of a request on one host: waits for a connection, then is the stream on it. */
export class UpstreamAttempt implements PoolWaiter, ResponseReceiver {
  readonly host: Host;
  readonly cluster: Cluster;
  readonly #owner: AttemptOwner;
  readonly #pool: HttpPool;
  readonly #limits: ResourceLimits;
  #stream: ClientStream | undefined;
  connection: UpstreamHttpConnection | undefined;
  #ended = false;
  #counted = false;
  #interim = false;
  sent = false;
  responseStarted = false;
  upgraded = false;
  /** The connection had carried requests before and rested: its peer may have been closing it. */
  reused = false;
  status = 0;

  constructor(owner: AttemptOwner, cluster: Cluster, host: Host, pool: HttpPool, limits: ResourceLimits) {
    this.#owner = owner;
    this.cluster = cluster;
    this.host = host;
    this.#pool = pool;
    this.#limits = limits;
  }
  /** Of its stream, once there is one. */
  get bytes(): ByteMeter | undefined {
    return this.#stream;
  }
  get connected(): boolean {
    return this.#stream !== undefined;
  }
  start(): void {
    this.#pool.acquire(this);
  }
  onConnection(connection: UpstreamHttpConnection): void {
    if (this.#ended) return;
    const { limits } = this;
    if (limits.requests.open) {
      this.cluster.stats.rqActiveOverflow.add(1);
      this.host.errors++;
      this.connection = connection;
      this.#fail('overflow', '');
      return;
    }
    this.reused = connection.requests > 0 && connection.reusedAfterMs >= replayAfterIdleMs;
    const stream = connection.openStream(this);
    if (stream === undefined) {
      this.#fail('connection-failure', 'connection takes no stream');
      return;
    }
    this.#stream = stream;
    this.connection = connection;
    limits.requests.acquire();
    this.#counted = true;
    this.cluster.stats.rqTotal.add(1);
    this.cluster.stats.rqActive.add(1);
    this.host.activeRequests++;
    connection.busyStreams++;
    this.host.totalRequests++;
    this.cluster.outliers?.onConnected(this.host);
    this.#owner.onConnected(this);
  }
  get limits(): ResourceLimits {
    return this.#limits;
  }
  onPoolFailure(reason: 'overflow' | 'connection-failure' | 'connection-timeout', detail: string): void {
    if (this.#ended) return;
    if (reason !== 'overflow') {
      this.host.errors++;
      this.cluster.outliers?.onLocalFailure(this.host);
    }
    this.#fail(reason, detail);
  }
  sendHead(head: RequestHead, endStream: boolean): void {
    this.sent = true;
    this.#stream?.sendHead(head, endStream);
  }
  sendData(data: Buffer, endStream: boolean): boolean {
    return this.#stream?.sendData(data, endStream) ?? true;
  }
  sendTrailers(trailers: HeaderList): void {
    if (this.#passesTrailers) this.#stream?.sendTrailers(trailers);
    else this.#stream?.sendData(emptyBody, true);
  }
  pause(): void {
    this.#stream?.pause();
  }
  resume(): void {
    this.#stream?.resume();
  }
  /** Gives up: nothing more is reported. */
  cancel(): void {
    if (this.#ended) return;
    const stream = this.#stream;
    const { connection } = this;
    this.#finish();
    if (stream === undefined) this.#pool.cancel(this);
    else {
      if (connection?.protocol === 'http2') this.cluster.stats.rqTxReset.add(1);
      connection?.loses();
      stream.reset('local-reset');
    }
  }
  onHead(head: ResponseHead, endStream: boolean): void {
    if (this.#ended) return;
    if (head.status < 200 && head.status !== 101) {
      this.#interim = true;
      this.#owner.onInterim(this, head);
      return;
    }
    this.status = head.status;
    this.responseStarted = true;
    this.upgraded = head.status === 101;
    if (head.status >= 500 && head.status < 600) this.host.errors++;
    else this.host.successes++;
    this.cluster.outliers?.onStatus(this.host, grpcAsHttp(head) ?? head.status);
    if (this.cluster.checked && header(head.headers, 'x-envoy-immediate-health-check-fail') !== undefined)
      this.cluster.failPassively(this.host.text);
    if (endStream) this.#finish();
    this.#owner.onResponseHead(this, head, endStream);
  }
  onData(data: Buffer, endStream: boolean): void {
    if (this.#ended) return;
    if (endStream) this.#finish();
    this.#owner.onResponseData(this, data, endStream);
  }
  onTrailers(trailers: HeaderList): void {
    if (this.#ended) return;
    this.#finish();
    if (this.#stream !== undefined && this.#passesTrailers && this.connection?.protocol !== 'http2')
      this.#stream.headerBytesReceived += fieldBytesOf(trailers);
    if (this.#passesTrailers) this.#owner.onResponseTrailers(this, trailers);
    else this.#owner.onResponseData(this, emptyBody, true);
  }
  onReset(reason: ResetReason, detail: string): void {
    if (this.#ended) return;
    // As Envoy does it: of a connection with one stream its end says it all.
    if (this.connection?.protocol === 'http2') {
      if (reason === 'remote-reset') {
        this.cluster.stats.rqRxReset.add(1);
        this.cluster.stats.scope.counter('http2.rx_reset').add(1);
      } else if (reason === 'protocol-error' || reason === 'local-reset') this.cluster.stats.rqTxReset.add(1);
      else if (reason === 'connection-termination') this.cluster.stats.rqPendingFailure.add(1);
    }
    this.connection?.loses();
    if (!this.responseStarted && !this.#interim) this.host.errors++;
    this.cluster.outliers?.onLocalFailure(this.host);
    this.#fail(reason, detail);
  }
  onDrain(): void {
    if (!this.#ended) this.#owner.onUpstreamDrain(this);
  }
  /** HTTP/1 trailers go either way only where the cluster says so. */
  get #passesTrailers(): boolean {
    return this.connection?.protocol === 'http2' || this.cluster.config.http1Trailers;
  }
  #fail(reason: AttemptFailure, detail: string): void {
    this.#finish();
    this.#owner.onFailure(this, reason, detail);
  }
  #finish(): void {
    this.#ended = true;
    if (!this.#counted) return;
    this.#counted = false;
    this.limits.requests.release();
    this.cluster.stats.rqActive.add(-1);
    this.host.activeRequests--;
    if (this.connection !== undefined) this.connection.busyStreams--;
  }
}

/** A gRPC failure counts for outlier detection as the HTTP status it stands for. */
function grpcAsHttp(head: ResponseHead): number | undefined {
  switch (header(head.headers, 'grpc-status')) {
    case '14':
    case '4':
      return 503;
    case '13':
    case '2':
    case '12':
      return 500;
    default:
      return undefined;
  }
}
