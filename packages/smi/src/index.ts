export { type Conversion, convertSmi } from './convert.ts';
export { MADE_FROM } from './generated.ts';
export { isSmi, type SmiKind, smiKinds, watchedSmiKinds } from './kinds.ts';
export {
  type MetricsKind,
  type MetricsQuery,
  type MetricsRequest,
  metricsKinds,
  metricsQueries,
  type Sample,
  type TrafficMetrics,
  trafficMetricsList,
} from './metrics.ts';
export { patternsOf } from './path-pattern.ts';
export { type SmiProblem, smiProblemText } from './problem.ts';
export { createSmiSource } from './smi-source.ts';
export { SERVICE_ACCOUNT } from './traffic-target.ts';
