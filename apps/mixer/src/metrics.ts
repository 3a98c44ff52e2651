import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export type MixerMetrics = ReturnType<typeof createMixerMetrics>;

const SECONDS = [0.00001, 0.0001, 0.001, 0.01, 0.1, 1, 10];

/** Mixer's own metrics. Times in seconds. */
export function createMixerMetrics(registry: Registry) {
  const registers = [registry];
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
  const dispatch = ['adapter', 'handler', 'variety'] as const;
  return {
    dispatches: new Counter({ name: 'mixer_runtime_dispatches_total', help: 'Calls of adapters.', labelNames: dispatch, registers }),
    dispatchErrors: new Counter({
      name: 'mixer_runtime_dispatch_errors_total',
      help: 'Calls of adapters that failed.',
      labelNames: dispatch,
      registers,
    }),
    dispatchDuration: new Histogram({
      name: 'mixer_runtime_dispatch_duration_seconds',
      help: 'Time in adapters.',
      labelNames: dispatch,
      buckets: SECONDS,
      registers,
    }),
    evaluationErrors: new Counter({
      name: 'mixer_runtime_evaluation_errors_total',
      help: 'Expressions without a value, by where they stand.',
      labelNames: ['place'] as const,
      registers,
    }),
    requests: new Counter({
      name: 'mixer_requests_total',
      help: 'gRPC calls by method and google.rpc.Code.',
      labelNames: ['method', 'code'] as const,
      registers,
    }),
    requestDuration: new Histogram({
      name: 'mixer_request_duration_seconds',
      help: 'Time to answer a gRPC call.',
      labelNames: ['method'] as const,
      buckets: SECONDS,
      registers,
    }),
    reportedBags: new Counter({ name: 'mixer_report_attribute_bags_total', help: 'Attribute bags in reports.', registers }),
    delivered: new Counter({
      name: 'mixer_adapter_delivered_entries_total',
      help: 'Entries that adapters delivered to other systems.',
      labelNames: ['handler'] as const,
      registers,
    }),
    undelivered: new Counter({
      name: 'mixer_adapter_dropped_entries_total',
      help: 'Entries that adapters gave up.',
      labelNames: ['handler'] as const,
      registers,
    }),
    seriesDropped: new Counter({
      name: 'mixer_prometheus_series_dropped_total',
      help: 'Values that would have made one series too many.',
      labelNames: ['metric'] as const,
      registers,
    }),
    rules: gauge('mixer_config_rules', 'Rules in force.'),
    handlers: gauge('mixer_config_handlers', 'Handlers in force.'),
    instances: gauge('mixer_config_instances', 'Instances in force.'),
    configProblems: gauge('mixer_config_problems', 'What is wrong now with the configuration.'),
    configUpdates: new Counter({ name: 'mixer_config_updates_total', help: 'Configurations compiled.', registers }),
  };
}
