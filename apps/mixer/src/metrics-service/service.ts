import { create } from '@bufbuild/protobuf';
import type { ServerReadableStream, sendUnaryData } from '@grpc/grpc-js';
import { errorText } from '@xebec/core';
import {
  MetricsService,
  type StreamMetricsMessage,
  type StreamMetricsResponse,
  StreamMetricsResponseSchema,
} from '@xebec/protos/envoy/service/metrics/v3/metrics_service';
import { serviceDefinition } from '@xebec/rpc';
import { Counter, Gauge } from 'prom-client';
import type { MixerService, ServiceContext } from '../services.ts';
import { type ProxyIdentity, ProxyMetrics } from './proxy-metrics.ts';

export const PROXY_METRICS_PATH = '/proxy-metrics';

/**
 * `envoy.service.metrics.v3.MetricsService`: the statistics that Envoys push, for Prometheus at `/proxy-metrics` of the HTTP address
 * with the labels `node_id` and `node_cluster`. Counters are to come whole, as they do unless `report_counters_as_deltas` is set.
 */
export function metricsService({ registry, http, clock, logger }: ServiceContext): MixerService {
  const proxies = new ProxyMetrics();
  const dropped = new Counter({
    name: 'mixer_proxy_metrics_dropped_total',
    help: 'Series of proxies that had no room.',
    registers: [registry],
  });
  new Gauge({
    name: 'mixer_proxy_metrics_series',
    help: 'Lines that proxies brought and that are kept.',
    registers: [registry],
    collect() {
      this.set(proxies.size.lines);
    },
  });
  http.get(PROXY_METRICS_PATH, async (_request, reply) => {
    await reply.type('text/plain; version=0.0.4; charset=utf-8').send(proxies.exposition(clock.now()));
  });
  const read = async (stream: ServerReadableStream<StreamMetricsMessage, StreamMetricsResponse>): Promise<void> => {
    let identity: ProxyIdentity = { id: '', cluster: '' };
    for await (const message of stream as AsyncIterable<StreamMetricsMessage>) {
      const node = message.identifier?.node;
      if (node !== undefined) identity = { id: node.id, cluster: node.cluster };
      const lost = proxies.update(identity, message.envoyMetrics, clock.now());
      if (lost > 0) dropped.inc(lost);
    }
  };
  const StreamMetrics = (
    stream: ServerReadableStream<StreamMetricsMessage, StreamMetricsResponse>,
    callback: sendUnaryData<StreamMetricsResponse>,
  ): void => {
    read(stream).then(
      () => callback(null, create(StreamMetricsResponseSchema)),
      (error: unknown) => logger.debug({}, `a metrics stream ended: ${errorText(error)}`),
    );
  };
  return { definition: serviceDefinition(MetricsService), implementation: { StreamMetrics } };
}
