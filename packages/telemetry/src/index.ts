export { type AccessLogOptions, type CompiledAccessLog, compileAccessLog, compileSubstitution } from './access-log/access-log.ts';
export { compileCondition, compileValueExpression } from './access-log/condition.ts';
export { envoyTextFormat, istioJsonFormat, istioTextFormat } from './access-log/default-formats.ts';
export { compileAccessLogFilter, type FilterMatchers, type LogPredicate } from './access-log/filter.ts';
export { type GrpcEntryOptions, httpAccessLogEntry, tcpAccessLogEntry } from './access-log/grpc-entry.ts';
export { compileJsonFormat } from './access-log/json-format.ts';
export { compileOtlpRecord } from './access-log/otlp-log.ts';
export type { CelSurroundings } from './cel/attributes.ts';
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
export { grpcStatusOf } from './format/grpc-status-of.ts';
export { operatorNames } from './format/operators.ts';
export { type BucketBounds, type ExpositionOptions, formatStatsJson, formatStatsText, type HistogramView } from './metrics/exposition.ts';
export { defaultBuckets, emptyHistogram, type HistogramBin, type HistogramData, quantile } from './metrics/histogram.ts';
export { formatPrometheus, type PrometheusOptions } from './metrics/prometheus.ts';
export { createStats, type Stats, type StatsOptions } from './metrics/registry.ts';
export { RemoteStats, type StatDefinition, type StatsReport } from './metrics/remote-stats.ts';
export type { Label, StatKind, StatSample } from './metrics/sample.ts';
export { responseFlagNames, responseFlagsLongText, responseFlagsText } from './response-flags.ts';
export type { Counter, Gauge, Histogram, StatsScope, TextReadout } from './stats.ts';
export type { ConnectionInfo, PeerCertificate, ResponseFlag, StreamInfo, UpstreamConnectionInfo, WireBytes } from './stream-info.ts';
export { encodeOtlp, type OtlpResource } from './tracing/otlp.ts';
export {
  decideTrace,
  hexDigits,
  newRequestId,
  type Sampling,
  type TraceReason,
  traceReason,
  withTraceReason,
} from './tracing/request-id.ts';
export { encodeZipkinV2, type FinishedSpan, type LocalEndpoint } from './tracing/span.ts';
export { SpanReporter, type SpanReporterOptions, type SpanTransport } from './tracing/span-reporter.ts';
export { extractSampled, extractTrace, injectTrace, type Propagation, type TraceContext } from './tracing/trace-context.ts';
export { createTracer, type Span, type SpanStart, type Tracer, type TracerOptions } from './tracing/tracer.ts';
