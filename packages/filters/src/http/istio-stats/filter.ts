import type { HeaderList, ResponseHead } from '@xebec/wire';
import type { FilterStatus, HttpFilter, HttpFilterCallbacks } from '../../http-filter.ts';
import { grpcMessagesKey } from '../grpc-stats/config.ts';
import type { Series, SeriesIndex } from './series.ts';

/** Istio's standard HTTP and gRPC metrics. */
export const httpMetricKinds: ReadonlyMap<string, 'counter' | 'histogram'> = new Map([
  ['istio_requests_total', 'counter'],
  ['istio_request_duration_milliseconds', 'histogram'],
  ['istio_request_bytes', 'histogram'],
  ['istio_response_bytes', 'histogram'],
]);

/** Counts one stream when it is over. */
export class IstioStatsFilter implements HttpFilter {
  readonly #index: SeriesIndex;
  readonly #callbacks: HttpFilterCallbacks;
  #response: ResponseHead | undefined = undefined;
  #trailers: HeaderList | undefined = undefined;

  constructor(index: SeriesIndex, callbacks: HttpFilterCallbacks) {
    this.#index = index;
    this.#callbacks = callbacks;
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
    const { info, request } = this.#callbacks;
    const series = this.#index.of({ info, request, response: this.#response, responseTrailers: this.#trailers });
    series.requests?.add(1);
    series.durations?.record(Math.max(0, info.durationMs));
    series.requestBytes?.record(info.bytesReceived);
    series.responseBytes?.record(info.bytesSent);
    if (info.hasFilterState !== false) countMessages(series, info.filterState.get(grpcMessagesKey));
  }
}

function countMessages(series: Series, counts: unknown): void {
  if (typeof counts !== 'object' || counts === null) return;
  const requests: unknown = Reflect.get(counts, 'requestMessageCount');
  const responses: unknown = Reflect.get(counts, 'responseMessageCount');
  if (typeof requests === 'number') series.messages.request.add(requests);
  if (typeof responses === 'number') series.messages.response.add(responses);
}
