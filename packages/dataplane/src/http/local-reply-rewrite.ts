import { XebecError } from '@xebec/core';
import { compileHeaderMutation, type HeaderMutation } from '@xebec/matching';
import type { DataSource } from '@xebec/protos/envoy/config/core/v3/base';
import type { SubstitutionFormatString } from '@xebec/protos/envoy/config/core/v3/substitution_format_string';
import type {
  LocalReplyConfig,
  ResponseMapper,
} from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import {
  compileAccessLogFilter,
  compileSubstitution,
  type FilterMatchers,
  type FormatContext,
  type FormatEnvironment,
  type LogPredicate,
} from '@xebec/telemetry';
import type { HeaderList } from '@xebec/wire';

/** What becomes of an answer that the proxy makes. */
export interface RewrittenReply {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: string | Buffer;
  /** Of the body, where it has been changed. */
  readonly contentType: string | undefined;
}

/** `context.info.responseCode` follows the status. */
export type LocalReplyRewrite = (
  status: number,
  headers: HeaderList,
  body: string | Buffer,
  context: Pick<FormatContext, 'info' | 'request' | 'traceId'>,
) => RewrittenReply;

export interface LocalReplyOptions {
  readonly environment: FormatEnvironment;
  readonly matchers: FilterMatchers;
  readonly readDataSource: (source: DataSource) => Buffer | undefined;
}

interface BodyFormat {
  readonly format: (context: FormatContext) => string;
  readonly contentType: string;
}

interface Mapper {
  readonly matches: LogPredicate;
  readonly status: number | undefined;
  readonly body: Buffer | undefined;
  readonly headers: HeaderMutation | undefined;
  readonly format: BodyFormat | undefined;
}

/**
 * Compiles `local_reply_config`: the first mapper that matches changes status, body and headers; then its format, or else the common
 * one, makes the text. Undefined when there is nothing to do. Throws XebecError `E_CONFIG`, `E_FORMAT` or `E_ACCESS_LOG`.
 */
export function compileLocalReply(config: LocalReplyConfig | undefined, options: LocalReplyOptions): LocalReplyRewrite | undefined {
  if (config === undefined) return undefined;
  const mappers = config.mappers.map((mapper) => compileMapper(mapper, options));
  const common = config.bodyFormat === undefined ? undefined : bodyFormat(config.bodyFormat, options);
  if (mappers.length === 0 && common === undefined) return undefined;
  return (status, headers, body, { info, request, traceId }) => {
    info.responseCode = status;
    const response = { status, headers: [...headers] };
    const context = { info, request, traceId, response, localReplyBody: body.toString() };
    const mapper = mappers.find((candidate) => candidate.matches(context));
    if (mapper !== undefined) {
      if (mapper.body !== undefined) context.localReplyBody = mapper.body.toString();
      mapper.headers?.(response, context);
      if (mapper.status !== undefined) {
        response.status = mapper.status;
        info.responseCode = mapper.status;
      }
    }
    const format = mapper?.format ?? common;
    if (format !== undefined) {
      const text = format.format(context);
      return { ...response, body: text, contentType: text === body.toString() ? undefined : format.contentType };
    }
    if (mapper?.body === undefined) return { ...response, body, contentType: undefined };
    return { ...response, body: mapper.body, contentType: mapper.body.equals(Buffer.from(body)) ? undefined : 'text/plain' };
  };
}

function compileMapper(mapper: ResponseMapper, options: LocalReplyOptions): Mapper {
  if (mapper.filter === undefined) throw new XebecError('E_CONFIG', 'local_reply_config: a mapper has no filter');
  return {
    matches: compileAccessLogFilter(mapper.filter, options.matchers),
    status: mapper.statusCode,
    body: mapper.body === undefined ? undefined : options.readDataSource(mapper.body),
    headers: compileHeaderMutation({ add: mapper.headersToAdd, remove: [] }, options.environment),
    format: mapper.bodyFormatOverride === undefined ? undefined : bodyFormat(mapper.bodyFormatOverride, options),
  };
}

function bodyFormat(format: SubstitutionFormatString, options: LocalReplyOptions): BodyFormat {
  const inferred = format.format.case === 'jsonFormat' ? 'application/json' : 'text/plain';
  return { format: compileSubstitution(format, options), contentType: format.contentType === '' ? inferred : format.contentType };
}
