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
export { responseFlagNames, responseFlagsLongText, responseFlagsText } from './response-flags.ts';
export type { Counter, Gauge, Histogram, StatsScope } from './stats.ts';
export type { ConnectionInfo, PeerCertificate, ResponseFlag, StreamInfo } from './stream-info.ts';
