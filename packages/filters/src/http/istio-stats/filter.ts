import type { HeaderList, ResponseHead } from '@xebec/wire';
import type { HttpFilter, HttpFilterCallbacks } from '../../http-filter.ts';
import { grpcMessagesKey } from '../grpc-stats/config.ts';
import type { DimensionExpressions } from './config.ts';
import { grpcStatusOf, type LabelOptions, type Labels, requestLabels } from './labels.ts';
import type { MetricFamily } from './metrics.ts';

/** Istio's standard HTTP and gRPC metrics. */
export const httpMetricKinds: ReadonlyMap<string, 'counter' | 'histogram'> = new Map([
  ['istio_requests_total', 'counter'],
  ['istio_request_duration_milliseconds', 'histogram'],
  ['istio_request_bytes', 'histogram'],
  ['istio_response_bytes', 'histogram'],
]);

const messageKinds = ['istio_request_messages_total', 'istio_response_messages_total'] as const;

export function createIstioStatsFilter(
  family: MetricFamily,
  options: LabelOptions,
  dimensions: DimensionExpressions,
  callbacks: HttpFilterCallbacks,
): HttpFilter {
  let response: ResponseHead | undefined;
  let trailers: HeaderList | undefined;
  return {
    onResponseHead(head) {
      response = head;
      return 'continue';
    },
    onResponseTrailers(list) {
      trailers = list;
      return 'continue';
    },
    onComplete() {
      const { info, request } = callbacks;
      const status = grpcStatusOf(trailers) ?? grpcStatusOf(response?.headers);
      const labels = requestLabels(info, request, status, options);
      const added: Labels = {};
      for (const [name, compute] of dimensions) added[name] = compute({ info, request, response, responseTrailers: trailers });
      const handles = family.handles(labels, added);
      handles.get('istio_requests_total')?.add(1);
      handles.get('istio_request_duration_milliseconds')?.record(Math.max(0, info.durationMs));
      handles.get('istio_request_bytes')?.record(info.bytesReceived);
      handles.get('istio_response_bytes')?.record(info.bytesSent);
      const messages = info.filterState.get(grpcMessagesKey);
      if (typeof messages !== 'object' || messages === null) return;
      for (const [index, name] of messageKinds.entries()) {
        const count: unknown = Reflect.get(messages, index === 0 ? 'requestMessageCount' : 'responseMessageCount');
        if (typeof count === 'number') family.message(name, labels).add(count);
      }
    },
  };
}
