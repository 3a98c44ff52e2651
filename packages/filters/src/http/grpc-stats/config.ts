import { isGrpcRequest } from '@xebec/matching';
import { type FilterConfig, FilterConfigSchema } from '@xebec/protos/envoy/extensions/filters/http/grpc_stats/v3/config';
import type { StatsScope } from '@xebec/telemetry';
import { header } from '@xebec/wire';
import { decodeConfig } from '../../decode.ts';
import { type HttpFilter, type HttpFilterCallbacks, type HttpFilterDefinition, passiveFilter } from '../../http-filter.ts';
import { MessageCounter } from './message-counter.ts';

/** `filterState` key with the `GrpcMessages` of a gRPC stream, once there was one. */
export const grpcMessagesKey = 'envoy.filters.http.grpc_stats';

/** As text it is the JSON of Envoy's FilterObject message: numbers as text, and none that are zero. */
export class GrpcMessages {
  requestMessageCount = 0;
  responseMessageCount = 0;
  toJSON(): Record<string, string> {
    return {
      ...(this.requestMessageCount === 0 ? {} : { request_message_count: String(this.requestMessageCount) }),
      ...(this.responseMessageCount === 0 ? {} : { response_message_count: String(this.responseMessageCount) }),
    };
  }
}

export const grpcStatsDefinition: HttpFilterDefinition = {
  name: 'envoy.filters.http.grpc_stats',
  typeNames: [FilterConfigSchema.typeName],
  compile(bytes, _, context) {
    const config = decodeConfig(FilterConfigSchema, bytes);
    const allowed = allowedMethods(config);
    return {
      create: (callbacks) => (isGrpcRequest(callbacks.request) ? createFilter(config, allowed, context.stats, callbacks) : passiveFilter),
    };
  },
};

/** Whether a method gets its own counters; others are counted as `cluster.<name>.grpc.*` only. */
function allowedMethods(config: FilterConfig): (service: string, method: string) => boolean {
  const specifier = config.perMethodStatSpecifier;
  if (specifier.case === 'statsForAllMethods') return () => specifier.value.value;
  if (specifier.case === undefined) return () => false;
  const names = new Set<string>();
  for (const { name, methodNames } of specifier.value.services) for (const method of methodNames) names.add(`${name}/${method}`);
  return (service, method) => names.has(`${service}/${method}`);
}

function createFilter(
  config: FilterConfig,
  allowed: (service: string, method: string) => boolean,
  stats: StatsScope,
  callbacks: HttpFilterCallbacks,
): HttpFilter {
  const request = new MessageCounter();
  const response = new MessageCounter();
  const counts = new GrpcMessages();
  const show = (): void => {
    if (config.emitFilterState) callbacks.info.filterState.set(grpcMessagesKey, counts);
  };
  // Only `/service/method` is counted.
  const tracked = /^\/[^/]+\/[^/]+$/.test(callbacks.request.path.split('?', 1)[0] ?? '');
  let answersGrpc = false;
  let status: string | undefined;
  return {
    onRequestData(data) {
      const messages = request.push(data);
      if (messages > 0) {
        counts.requestMessageCount += messages;
        show();
      }
      return 'continue';
    },
    onResponseHead(head) {
      answersGrpc = header(head.headers, 'content-type')?.startsWith('application/grpc') === true;
      status ??= header(head.headers, 'grpc-status');
      return 'continue';
    },
    onResponseData(data) {
      const messages = answersGrpc ? response.push(data) : 0;
      if (messages > 0) {
        counts.responseMessageCount += messages;
        show();
      }
      return 'continue';
    },
    onResponseTrailers(trailers) {
      status ??= header(trailers, 'grpc-status');
      return 'continue';
    },
    onComplete() {
      const cluster = callbacks.info.upstreamCluster;
      if (cluster === '' || !tracked) return;
      const [, service = '', method = ''] = callbacks.request.path.split('/');
      const prefix = allowed(service, method)
        ? `grpc.${config.replaceDotsInGrpcServiceName ? service.replaceAll('.', '_') : service}.${method}.`
        : 'grpc.';
      const scope = stats.scope(`cluster.${cluster}`);
      const success = status === '0';
      scope.counter(`${prefix}${success ? 'success' : 'failure'}`).add(1);
      scope.counter(`${prefix}total`).add(1);
      // A status is at most 16; anything else a server sends would make counters without end.
      if (status !== undefined && /^(?:\d|1[0-6])$/.test(status)) scope.counter(`${prefix}${status}`).add(1);
      scope.counter(`${prefix}request_message_count`).add(counts.requestMessageCount);
      scope.counter(`${prefix}response_message_count`).add(counts.responseMessageCount);
    },
  };
}
