import type { MirrorPolicy } from '@xebec/matching';
import { portStart } from '@xebec/matching';
import { type HeaderList, header, type RequestHead, type ResponseHead, setHeader } from '@xebec/wire';
import { keptBytes } from '../net/read-area.ts';
import type { HttpStream } from './http-stream.ts';
import { type AttemptOwner, UpstreamAttempt } from './upstream-attempt.ts';

/** The body of a mirrored request, as it comes. */
export interface MirroredBody {
  data(data: Buffer, endStream: boolean): void;
}

const maxMirroredBytes = 1024 * 1024;
const mirrorTimeoutMs = 15_000;

/** Starts a copy of the request to each mirror that is drawn; answers are read and forgotten. */
export function mirrorRequest(
  policies: readonly MirrorPolicy[],
  head: RequestHead,
  endStream: boolean,
  stream: HttpStream,
): MirroredBody[] {
  const mirrors: MirroredBody[] = [];
  for (const policy of policies) {
    if (policy.fraction < 1 && stream.random.next() >= policy.fraction) continue;
    const name = policy.cluster(head);
    const cluster = name === undefined ? undefined : stream.clusters.get(name);
    const { connection } = stream.info;
    const host = cluster?.choose({
      hash: undefined,
      avoid: undefined,
      destination: { address: connection.localAddress, port: connection.localPort },
      header: undefined,
    });
    if (cluster === undefined || host === undefined) continue;
    const copy: RequestHead = {
      ...head,
      headers: [...head.headers],
      authority: policy.appendShadowSuffix ? shadowed(head.authority) : head.authority,
    };
    markInternal(copy.headers, stream.settings.ownAddress);
    if (stream.trace?.context !== undefined && !policy.traceSampled) setHeader(copy.headers, 'x-b3-sampled', '0');
    const mirror = new Mirror(copy, endStream, stream);
    const owner = cluster.ownerOf(host);
    const pool = owner.httpPool(host, stream.version === 'HTTP/2' ? 'http2' : 'http1', undefined, undefined, false);
    mirror.start(new UpstreamAttempt(mirror, owner, host, pool, owner.limits));
    mirrors.push(mirror);
  }
  return mirrors;
}

/** A mirrored request comes from the proxy itself. */
function markInternal(headers: HeaderList, ownAddress: string): void {
  setHeader(headers, 'x-envoy-internal', 'true');
  const before = header(headers, 'x-forwarded-for');
  setHeader(headers, 'x-forwarded-for', before === undefined ? ownAddress : `${before},${ownAddress}`);
}

/** `reviews:9080` becomes `reviews-shadow:9080`. */
function shadowed(authority: string): string {
  const port = portStart(authority);
  return port === -1 ? `${authority}-shadow` : `${authority.slice(0, port)}-shadow${authority.slice(port)}`;
}

class Mirror implements AttemptOwner, MirroredBody {
  readonly #head: RequestHead;
  #attempt: UpstreamAttempt | undefined;
  #body: Buffer[] = [];
  #bytes = 0;
  #endStream: boolean;
  #cancelTimeout: (() => void) | undefined;

  readonly #stream: HttpStream;
  readonly #sinceMs: number;

  constructor(head: RequestHead, endStream: boolean, stream: HttpStream) {
    this.#stream = stream;
    this.#sinceMs = stream.clock.monotonic();
    stream.settings.stats.root.scope('http.async-client').counter('rq_total').add(1);
    this.#head = head;
    this.#endStream = endStream;
  }
  start(attempt: UpstreamAttempt): void {
    this.#attempt = attempt;
    this.#cancelTimeout = this.#stream.clock.setTimeout(() => this.#giveUp(), mirrorTimeoutMs);
    attempt.start();
  }
  data(data: Buffer, endStream: boolean): void {
    const attempt = this.#attempt;
    if (attempt === undefined) return;
    this.#endStream = endStream;
    if (attempt.connected) {
      attempt.sendData(data, endStream);
      return;
    }
    this.#body.push(keptBytes(data));
    this.#bytes += data.length;
    if (this.#bytes > maxMirroredBytes) this.#giveUp();
  }
  onConnected(attempt: UpstreamAttempt): void {
    attempt.sendHead(this.#head, this.#endStream && this.#body.length === 0);
    const last = this.#body.length - 1;
    for (let i = 0; i <= last; i++) attempt.sendData(this.#body[i] as Buffer, i === last && this.#endStream);
    this.#body = [];
  }
  onInterim(): void {}
  onResponseHead(attempt: UpstreamAttempt, head: ResponseHead, endStream: boolean): void {
    attempt.cluster.stats.status(head.status, true);
    const zone = attempt.host.config.locality?.zone ?? '';
    const zones = zone === '' ? undefined : this.#stream.settings.zonePart(zone);
    const tookMs = this.#stream.clock.monotonic() - this.#sinceMs;
    for (const part of zones === undefined ? ['', 'internal'] : ['', 'internal', zones]) attempt.cluster.stats.part(part).time(tookMs);
    if (zones !== undefined) attempt.cluster.stats.part(zones).charge(head.status);
    if (endStream) this.#cancelTimeout?.();
  }
  onResponseData(_attempt: UpstreamAttempt, _data: Buffer, endStream: boolean): void {
    if (endStream) this.#cancelTimeout?.();
  }
  onResponseTrailers(_attempt: UpstreamAttempt, _trailers: HeaderList): void {
    this.#cancelTimeout?.();
  }
  onUpstreamDrain(): void {}
  onFailure(): void {
    this.#cancelTimeout?.();
    this.#attempt = undefined;
  }
  #giveUp(): void {
    this.#cancelTimeout?.();
    this.#attempt?.cancel();
    this.#attempt = undefined;
    this.#body = [];
  }
}
