export { type AccessLogOptions, type CompiledAccessLog, compileAccessLog, compileSubstitution } from './access-log/access-log.ts';
export { compileCondition, compileValueExpression } from './access-log/condition.ts';
export { envoyTextFormat, istioJsonFormat, istioTextFormat } from './access-log/default-formats.ts';
export { compileAccessLogFilter, type FilterMatchers, type LogPredicate } from './access-log/filter.ts';
export { compileJsonFormat } from './access-log/json-format.ts';
export { createStreamInfo } from './create-stream-info.ts';
export {
  emptyFormatEnvironment,
  type FormatContext,
  type FormatEnvironment,
  type FormatRequest,
  type FormatResponse,
  type FormatValue,
} from './format/context.ts';
export { type CompiledFormat, compileFormat, type FormatOptions } from './format/format-string.ts';
export { operatorNames } from './format/operators.ts';
export {
  type ExpositionOptions,
  formatPrometheus,
  formatStatsJson,
  formatStatsText,
  type PrometheusOptions,
} from './metrics/exposition.ts';
export { defaultBuckets, type HistogramData, quantile } from './metrics/histogram.ts';
export { createStats, type Stats, type StatsOptions } from './metrics/registry.ts';
export { type Label, mergeSamples, type StatSample } from './metrics/sample.ts';
export { responseFlagNames, responseFlagsLongText, responseFlagsText } from './response-flags.ts';
export type { Counter, Gauge, Histogram, StatsScope } from './stats.ts';
export type { ConnectionInfo, PeerCertificate, ResponseFlag, StreamInfo } from './stream-info.ts';
