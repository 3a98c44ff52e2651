import type { FormatContext } from '@xebec/telemetry';

/** Writes one line per stream, when its filter agrees. */
export interface AccessLogWriter {
  log(context: FormatContext): void;
}
