import { fromBinary } from '@bufbuild/protobuf';
import { errorText, XebecError } from '@xebec/core';
import type { AccessLog } from '@xebec/protos/envoy/config/accesslog/v3/accesslog';
import type { SubstitutionFormatString } from '@xebec/protos/envoy/config/core/v3/substitution_format_string';
import { FileAccessLogSchema } from '@xebec/protos/envoy/extensions/access_loggers/file/v3/file';
import { StderrAccessLogSchema, StdoutAccessLogSchema } from '@xebec/protos/envoy/extensions/access_loggers/stream/v3/stream';
import type { FormatContext, FormatEnvironment } from '../format/context.ts';
import { compileFormat } from '../format/format-string.ts';
import { envoyTextFormat } from './default-formats.ts';
import { compileAccessLogFilter, type FilterMatchers } from './filter.ts';
import { compileJsonFormat } from './json-format.ts';

export interface CompiledAccessLog {
  /** A path, also `/dev/stdout` and `/dev/stderr`. */
  readonly path: string;
  /** The line, with its newline, or undefined when the filter drops it. */
  line(context: FormatContext): string | undefined;
}

export interface AccessLogOptions {
  readonly matchers: FilterMatchers;
  readonly environment?: FormatEnvironment;
}

type LineFormat = (context: FormatContext) => string;

/** Compiles a file or stream access log; throws XebecError `E_ACCESS_LOG` naming the log. */
export function compileAccessLog(log: AccessLog, options: AccessLogOptions): CompiledAccessLog {
  try {
    const { path, format } = compileSink(log, options);
    const keep = log.filter === undefined ? undefined : compileAccessLogFilter(log.filter, options.matchers);
    return { path, line: (context) => (keep === undefined || keep(context) ? format(context) : undefined) };
  } catch (cause) {
    throw new XebecError('E_ACCESS_LOG', `access log "${log.name}": ${errorText(cause)}`, { cause });
  }
}

function compileSink(log: AccessLog, options: AccessLogOptions): { path: string; format: LineFormat } {
  const any = log.configType.value;
  switch (any?.typeUrl.slice(any.typeUrl.lastIndexOf('/') + 1)) {
    case 'envoy.extensions.access_loggers.file.v3.FileAccessLog': {
      const file = fromBinary(FileAccessLogSchema, any.value);
      const choice = file.accessLogFormat;
      if (choice.case === 'logFormat') return { path: file.path, format: compileSubstitution(choice.value, options) };
      if (choice.case === 'jsonFormat' || choice.case === 'typedJsonFormat') {
        return { path: file.path, format: compileJsonFormat(choice.value, formatOptions(options, false)) };
      }
      return { path: file.path, format: compileFormat(choice.value || envoyTextFormat, formatOptions(options, false)).format };
    }
    case 'envoy.extensions.access_loggers.stream.v3.StdoutAccessLog':
      return {
        path: '/dev/stdout',
        format: compileSubstitution(fromBinary(StdoutAccessLogSchema, any.value).accessLogFormat.value, options),
      };
    case 'envoy.extensions.access_loggers.stream.v3.StderrAccessLog':
      return {
        path: '/dev/stderr',
        format: compileSubstitution(fromBinary(StderrAccessLogSchema, any.value).accessLogFormat.value, options),
      };
    default:
      throw new XebecError('E_ACCESS_LOG', `type "${any?.typeUrl ?? ''}" is not supported; use a file or stream access log`);
  }
}

/** Compiles `envoy.config.core.v3.SubstitutionFormatString`; undefined is Envoy's default text. */
export function compileSubstitution(
  format: SubstitutionFormatString | undefined,
  options: Pick<AccessLogOptions, 'environment'>,
): LineFormat {
  const settings = formatOptions(options, format?.omitEmptyValues ?? false);
  const choice = format?.format;
  switch (choice?.case) {
    case 'textFormat':
      return compileFormat(choice.value, settings).format;
    case 'jsonFormat':
      return compileJsonFormat(choice.value, settings);
    case 'textFormatSource': {
      const source = choice.value.specifier;
      if (source.case === 'inlineString') return compileFormat(source.value, settings).format;
      if (source.case === 'inlineBytes') return compileFormat(Buffer.from(source.value).toString(), settings).format;
      throw new XebecError('E_ACCESS_LOG', 'text_format_source must be inline');
    }
    default:
      return compileFormat(envoyTextFormat, settings).format;
  }
}

function formatOptions(
  options: Pick<AccessLogOptions, 'environment'>,
  omitEmpty: boolean,
): { omitEmpty: boolean; environment?: FormatEnvironment } {
  return options.environment === undefined ? { omitEmpty } : { omitEmpty, environment: options.environment };
}
