import { Counter, Gauge, type Registry } from 'prom-client';
import { DispatchMetrics } from './dispatch-metrics.ts';
import { RequestMetrics } from './request-metrics.ts';

export type MixerMetrics = ReturnType<typeof createMixerMetrics>;

/** Mixer's own metrics. Times in seconds. */
export function createMixerMetrics(registry: Registry) {
  const registers = [registry];
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
  return {
    dispatch: new DispatchMetrics(registry),
    evaluationErrors: new Counter({
      name: 'mixer_runtime_evaluation_errors_total',
      help: 'Expressions without a value, by where they stand.',
      labelNames: ['place'] as const,
      registers,
    }),
    requests: new RequestMetrics(registry),
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
