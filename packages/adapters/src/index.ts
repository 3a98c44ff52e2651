export type {
  AdapterDefinition,
  AdapterEnvironment,
  CheckResult,
  Handler,
  InstanceValue,
  QuotaArguments,
  QuotaGrant,
  Variety,
} from './adapter.ts';
export { adapters } from './adapters.ts';
export { MetricStore } from './prometheus/metric-store.ts';
export { type TemplateDefinition, type TemplateField, templates } from './template.ts';
