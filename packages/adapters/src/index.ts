export type { AdapterDefinition, AdapterEnvironment, DeliveryEvents } from './adapter.ts';
export { adapters } from './adapters.ts';
export { noWorkloads, type WorkloadDirectory, type WorkloadFacts } from './kubernetesenv/workload-directory.ts';
export { MetricStore } from './prometheus/metric-store.ts';
