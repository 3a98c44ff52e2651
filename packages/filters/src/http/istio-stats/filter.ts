import type { HeaderList, RequestHead, ResponseHead } from '@xebec/wire';
import type { FilterStatus, HttpFilter, HttpFilterCallbacks } from '../../http-filter.ts';
import { grpcMessagesKey } from '../grpc-stats/config.ts';
import type { CountedStream, Series, SeriesIndex } from './series.ts';

function count({ requests, durations, requestBytes, responseBytes, own }: Series, { info }: HttpFilterCallbacks): void {
  requests?.add(1);
  durations?.record(Math.max(0, info.durationMs));
  const { downstreamBytes } = info;
  if (downstreamBytes !== undefined) {
    requestBytes?.record(downstreamBytes.wireBytesReceived);
    responseBytes?.record(downstreamBytes.wireBytesSent);
  }
  for (const { handle, amount, level } of own) {
    if (level) handle.set(amount);
    else handle.add(amount);
  }
}

/** Counts one stream when it is over. Nothing of the answer but its code is asked for, so it is not looked at. */
export class PlainStatsFilter implements HttpFilter {
  readonly #index: SeriesIndex;
  readonly #callbacks: HttpFilterCallbacks;

  constructor(index: SeriesIndex, callbacks: HttpFilterCallbacks) {
    this.#index = index;
    this.#callbacks = callbacks;
  }
  onComplete(): void {
    const { info, request } = this.#callbacks;
    count(this.#index.of({ info, request, response: undefined, responseTrailers: undefined }, false), this.#callbacks);
  }
}

/** Counts one stream whose labels need the answer's headers or trailers: gRPC, or expressions that read them. */
export class IstioStatsFilter implements HttpFilter {
  readonly #index: SeriesIndex;
  readonly #callbacks: HttpFilterCallbacks;
  readonly #messages: MessageReporter | undefined;
  #response: ResponseHead | undefined = undefined;
  #trailers: HeaderList | undefined = undefined;

  constructor(index: SeriesIndex, callbacks: HttpFilterCallbacks, grpc: boolean, intervalMs: number) {
    this.#index = index;
    this.#callbacks = callbacks;
    this.#messages = grpc ? new MessageReporter(index, callbacks, intervalMs, () => this.#stream()) : undefined;
  }
  onRequestHead(_: RequestHead): FilterStatus {
    this.#messages?.start();
    return 'continue';
  }
  onResponseHead(head: ResponseHead): FilterStatus {
    this.#response = head;
    return 'continue';
  }
  onResponseTrailers(trailers: HeaderList): FilterStatus {
    this.#trailers = trailers;
    return 'continue';
  }
  onComplete(): void {
    this.#messages?.end();
    count(this.#index.of(this.#stream(), this.#messages !== undefined), this.#callbacks);
  }
  #stream(): CountedStream {
    const { info, request } = this.#callbacks;
    return { info, request, response: this.#response, responseTrailers: this.#trailers };
  }
}

/** Counts a gRPC stream's messages from time to time and at its end: streams may last for days. */
class MessageReporter {
  readonly #index: SeriesIndex;
  readonly #callbacks: HttpFilterCallbacks;
  readonly #intervalMs: number;
  readonly #stream: () => CountedStream;
  #cancel: (() => void) | undefined = undefined;
  #requests = 0;
  #responses = 0;

  constructor(index: SeriesIndex, callbacks: HttpFilterCallbacks, intervalMs: number, stream: () => CountedStream) {
    this.#index = index;
    this.#callbacks = callbacks;
    this.#intervalMs = intervalMs;
    this.#stream = stream;
  }
  start(): void {
    if (this.#intervalMs > 0) this.#cancel = this.#callbacks.setTimeout(() => this.#tick(), this.#intervalMs);
  }
  end(): void {
    this.#cancel?.();
    this.#report();
  }
  #tick(): void {
    if (this.#index.knowsPeer(this.#callbacks.info)) this.#report();
    this.start();
  }
  #report(): void {
    const { info } = this.#callbacks;
    const counts = info.hasFilterState === false ? undefined : info.filterState.get(grpcMessagesKey);
    if (typeof counts !== 'object' || counts === null) return;
    const requests = numberOf(counts, 'requestMessageCount');
    const responses = numberOf(counts, 'responseMessageCount');
    if (requests === this.#requests && responses === this.#responses) return;
    const handles = this.#index.messages(this.#stream());
    handles.requests?.add(requests - this.#requests);
    handles.responses?.add(responses - this.#responses);
    this.#requests = requests;
    this.#responses = responses;
  }
}

function numberOf(counts: object, key: string): number {
  const value: unknown = Reflect.get(counts, key);
  return typeof value === 'number' ? value : 0;
}
