import { type Clock, XebecError } from '@xebec/core';
import type { FilterUpstream, HttpCallOptions } from '@xebec/filters';
import { encodeGrpcFrame, GrpcFrameReader, type HeaderList, header, type RequestHead, type ResponseHead, setHeader } from '@xebec/wire';
import type { ClusterManager } from '../clusters/cluster-manager.ts';
import { keptBytes } from '../net/read-area.ts';
import { ownAddress } from './http-settings.ts';
import type { AttemptFailure } from './retry-policy.ts';
import { type AttemptOwner, UpstreamAttempt } from './upstream-attempt.ts';

const maxResponseBytes = 16 * 1024 * 1024;

interface CallResult {
  readonly head: ResponseHead;
  readonly body: Buffer;
  readonly trailers: HeaderList;
}

/** Calls that the proxy makes itself (authorization, rate limits, telemetry, traces) by cluster name. */
export class ClusterCaller implements FilterUpstream {
  readonly #clusters: () => ClusterManager;
  readonly #clock: Clock;

  constructor(clusters: () => ClusterManager, clock: Clock) {
    this.#clusters = clusters;
    this.#clock = clock;
  }
  /** What `/healthcheck/fail` says; set by the data plane. */
  serverHealthy: () => boolean = () => true;

  clusterHealth(cluster: string): { readonly total: number; readonly healthy: number } | undefined {
    const found = this.#clusters().get(cluster);
    if (found === undefined) return undefined;
    let total = 0;
    let healthy = 0;
    for (const host of found.hosts) {
      total++;
      if (host.healthy) healthy++;
    }
    return { total, healthy };
  }
  async http(
    cluster: string,
    head: RequestHead,
    body: Buffer,
    timeoutMs: number,
    { forwardedFor = true }: HttpCallOptions = {},
  ): Promise<{ head: ResponseHead; body: Buffer }> {
    const started = this.#clock.monotonic();
    const sent = { ...head, headers: [...head.headers, ...(forwardedFor ? ownCallHeaders(timeoutMs) : ownHeaders(timeoutMs))] };
    const answer = await this.#call(cluster, sent, body, timeoutMs, 'http1');
    setHeader(answer.head.headers, 'x-envoy-upstream-service-time', String(Math.round(this.#clock.monotonic() - started)));
    return answer;
  }
  async grpcUnary(cluster: string, path: string, request: Uint8Array, timeoutMs: number, metadata: HeaderList = []): Promise<Uint8Array> {
    const head: RequestHead = {
      method: 'POST',
      path,
      authority: authorityOf(cluster),
      scheme: 'http',
      version: 'HTTP/2',
      headers: [
        'content-type',
        'application/grpc',
        'te',
        'trailers',
        'grpc-timeout',
        `${Math.max(1, Math.round(timeoutMs))}m`,
        ...metadata,
        ...ownCallHeaders(timeoutMs),
      ],
    };
    const result = await this.#call(cluster, head, encodeGrpcFrame(request), timeoutMs, 'http2');
    const status = header(result.trailers, 'grpc-status') ?? header(result.head.headers, 'grpc-status');
    if (result.head.status !== 200 || status !== '0') {
      const message = header(result.trailers, 'grpc-message') ?? header(result.head.headers, 'grpc-message') ?? '';
      throw new XebecError(
        'E_UPSTREAM',
        `gRPC call ${path} to cluster "${cluster}" failed: status ${status ?? result.head.status} ${message}`,
      );
    }
    const reader = new GrpcFrameReader(maxResponseBytes);
    const frame = [...reader.push(result.body)][0];
    if (frame === undefined) throw new XebecError('E_UPSTREAM', `gRPC call ${path} to cluster "${cluster}" returned no message`);
    return frame.message;
  }
  #call(name: string, head: RequestHead, body: Buffer, timeoutMs: number, protocol: 'http1' | 'http2'): Promise<CallResult> {
    return new Promise((resolve, reject) => {
      const cluster = this.#clusters().get(name);
      const host = cluster?.choose({ hash: undefined, avoid: undefined, destination: undefined, header: undefined });
      if (cluster === undefined || host === undefined) {
        reject(new XebecError('E_UPSTREAM', `cluster "${name}" ${cluster === undefined ? 'does not exist' : 'has no healthy host'}`));
        return;
      }
      const call = new Call(head, body, name, resolve, reject);
      const owner = cluster.ownerOf(host);
      const pool = owner.httpPool(host, protocol, undefined, undefined, false);
      const attempt = new UpstreamAttempt(call, owner, host, pool, owner.limits);
      call.cancelTimeout = this.#clock.setTimeout(() => {
        attempt.cancel();
        reject(new XebecError('E_UPSTREAM_TIMEOUT', `call to cluster "${name}" took longer than ${timeoutMs} ms`));
      }, timeoutMs);
      attempt.start();
    });
  }
}

let address: string | undefined;

/** What Envoy's own calls carry: they come from inside, from this machine. */
function ownCallHeaders(timeoutMs: number): HeaderList {
  address ??= ownAddress();
  return ['x-forwarded-for', address, ...ownHeaders(timeoutMs)];
}

function ownHeaders(timeoutMs: number): HeaderList {
  return ['x-envoy-internal', 'true', 'x-envoy-expected-rq-timeout-ms', String(Math.max(1, Math.round(timeoutMs)))];
}

/**
 * What `:authority` says. A cluster's name stands there by default, but the names of a mesh (`outbound|9091||host`) are no
 * authorities, and servers on nghttp2 reset streams that carry them: their host and port stand there instead.
 */
export function authorityOf(cluster: string): string {
  const [, port, , host] = cluster.split('|');
  if (host !== undefined && port !== undefined && host !== '') return `${host}:${port}`;
  return cluster.replaceAll(/[^A-Za-z0-9._:[\]-]/g, '-');
}

class Call implements AttemptOwner {
  readonly #head: RequestHead;
  readonly #body: Buffer;
  readonly #cluster: string;
  readonly #resolve: (result: CallResult) => void;
  readonly #reject: (error: Error) => void;
  #response: ResponseHead = { status: 0, headers: [] };
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  cancelTimeout: (() => void) | undefined = undefined;

  constructor(head: RequestHead, body: Buffer, cluster: string, resolve: (result: CallResult) => void, reject: (error: Error) => void) {
    this.#head = head;
    this.#body = body;
    this.#cluster = cluster;
    this.#resolve = resolve;
    this.#reject = reject;
  }
  onConnected(attempt: UpstreamAttempt): void {
    attempt.sendHead(this.#head, this.#body.length === 0);
    if (this.#body.length > 0) attempt.sendData(this.#body, true);
  }
  onInterim(): void {}
  onResponseHead(_attempt: UpstreamAttempt, head: ResponseHead, endStream: boolean): void {
    this.#response = head;
    if (endStream) this.#finish([]);
  }
  onResponseData(attempt: UpstreamAttempt, data: Buffer, endStream: boolean): void {
    this.#bytes += data.length;
    if (this.#bytes > maxResponseBytes) {
      attempt.cancel();
      this.#fail(`response is larger than ${maxResponseBytes} bytes`);
      return;
    }
    this.#chunks.push(keptBytes(data));
    if (endStream) this.#finish([]);
  }
  onResponseTrailers(_attempt: UpstreamAttempt, trailers: HeaderList): void {
    this.#finish(trailers);
  }
  onFailure(_attempt: UpstreamAttempt, reason: AttemptFailure, detail: string): void {
    this.#fail(`${reason}${detail === '' ? '' : `: ${detail}`}`);
  }
  onUpstreamDrain(): void {}
  #finish(trailers: HeaderList): void {
    this.cancelTimeout?.();
    this.#resolve({ head: this.#response, body: Buffer.concat(this.#chunks), trailers });
  }
  #fail(reason: string): void {
    this.cancelTimeout?.();
    this.#reject(new XebecError('E_UPSTREAM', `call to cluster "${this.#cluster}" failed: ${reason}`));
  }
}
