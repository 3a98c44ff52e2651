import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { type Any, anyPack, StringValueSchema } from '@bufbuild/protobuf/wkt';
import { type Clock, errorText, type Logger, XebecError } from '@xebec/core';
import type { FilterUpstream } from '@xebec/filters';
import { optionalDurationMs } from '@xebec/matching';
import type { AccessLog } from '@xebec/protos/envoy/config/accesslog/v3/accesslog';
import type { Node } from '@xebec/protos/envoy/config/core/v3/base';
import type { GrpcService } from '@xebec/protos/envoy/config/core/v3/grpc_service';
import type { HttpService } from '@xebec/protos/envoy/config/core/v3/http_service';
import {
  type HTTPAccessLogEntry,
  HTTPAccessLogEntrySchema,
  type TCPAccessLogEntry,
  TCPAccessLogEntrySchema,
} from '@xebec/protos/envoy/data/accesslog/v3/accesslog';
import {
  type CommonGrpcAccessLogConfig,
  HttpGrpcAccessLogConfigSchema,
  TcpGrpcAccessLogConfigSchema,
} from '@xebec/protos/envoy/extensions/access_loggers/grpc/v3/als';
import { OpenTelemetryAccessLogConfigSchema } from '@xebec/protos/envoy/extensions/access_loggers/open_telemetry/v3/logs_service';
import { StreamAccessLogsMessageSchema } from '@xebec/protos/envoy/service/accesslog/v3/als';
import { ExportLogsServiceRequestSchema } from '@xebec/protos/opentelemetry/proto/collector/logs/v1/logs_service';
import type { KeyValueSchema } from '@xebec/protos/opentelemetry/proto/common/v1/common';
import { type LogRecord, LogRecordSchema } from '@xebec/protos/opentelemetry/proto/logs/v1/logs';
import {
  type Counter,
  compileAccessLogFilter,
  compileOtlpRecord,
  type FilterMatchers,
  type FormatContext,
  type FormatEnvironment,
  type GrpcEntryOptions,
  httpAccessLogEntry,
  type StatsScope,
  tcpAccessLogEntry,
} from '@xebec/telemetry';
import type { RequestHead } from '@xebec/wire';
import { typeNameOf, unpack } from '../config/unpack.ts';
import { httpTarget } from '../http/http-target.ts';
import { compileCustomTags } from '../tracing/custom-tags.ts';
import type { AccessLogWriter } from './access-log-writer.ts';

const types: readonly string[] = [HttpGrpcAccessLogConfigSchema, TcpGrpcAccessLogConfigSchema, OpenTelemetryAccessLogConfigSchema].map(
  ({ typeName }) => typeName,
);

/** Whether a log goes to a service rather than to a file. */
export function isRemote({ configType }: AccessLog): boolean {
  return configType.value !== undefined && types.includes(typeNameOf(configType.value));
}

export interface RemoteAccessLogsOptions {
  readonly stats: StatsScope;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly node: Node;
  readonly environment: FormatEnvironment;
  readonly upstream: () => FilterUpstream;
}

const alsPath = '/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs';
const otlpPath = '/opentelemetry.proto.collector.logs.v1.LogsService/Export';
const defaultBufferBytes = 16_384;
const defaultFlushMs = 1000;
const defaultTimeoutMs = 5000;
/** Calls under way at one time; beyond it entries are dropped and counted. */
const maxInFlight = 8;

type Send = (body: Uint8Array) => Promise<void>;

/**
 * Access logs of gRPC services (Envoy's ALS and OpenTelemetry). Entries gather as `buffer_size_bytes` and `buffer_flush_interval`
 * say; each batch is a call of its own: a stream with one message, which is what a service sees of a unary call.
 */
export class RemoteAccessLogs {
  readonly #options: RemoteAccessLogsOptions;
  readonly #batches = new Set<{ flush(): void }>();

  constructor(options: RemoteAccessLogsOptions) {
    this.#options = options;
  }
  /** Throws XebecError `E_ACCESS_LOG` naming the log. */
  compile(config: AccessLog, matchers: FilterMatchers): AccessLogWriter {
    try {
      const keep = config.filter === undefined ? undefined : compileAccessLogFilter(config.filter, matchers);
      const write = this.#open(config);
      return { log: (context) => (keep === undefined || keep(context) ? write(context) : undefined) };
    } catch (cause) {
      throw new XebecError('E_ACCESS_LOG', `access log "${config.name}": ${errorText(cause)}`, { cause });
    }
  }
  flush(): void {
    for (const batch of this.#batches) batch.flush();
  }
  #open({ configType }: AccessLog): (context: FormatContext) => void {
    const any = configType.value;
    switch (any === undefined ? '' : typeNameOf(any)) {
      case HttpGrpcAccessLogConfigSchema.typeName: {
        const config = unpack(any, HttpGrpcAccessLogConfigSchema, 'access log');
        const lower = (names: readonly string[]): string[] => names.map((name) => name.toLowerCase());
        const options: GrpcEntryOptions = {
          ...this.#entryOptions(config.commonConfig),
          requestHeaders: lower(config.additionalRequestHeadersToLog),
          responseHeaders: lower(config.additionalResponseHeadersToLog),
          responseTrailers: lower(config.additionalResponseTrailersToLog),
        };
        const batch = this.#alsBatch<HTTPAccessLogEntry>(config.commonConfig, (logEntry) => ({ case: 'httpLogs', value: { logEntry } }));
        return (context) => {
          const entry = httpAccessLogEntry(context, options);
          batch.add(entry, toBinary(HTTPAccessLogEntrySchema, entry).length);
        };
      }
      case TcpGrpcAccessLogConfigSchema.typeName: {
        const config = unpack(any, TcpGrpcAccessLogConfigSchema, 'access log');
        const options = this.#entryOptions(config.commonConfig);
        const batch = this.#alsBatch<TCPAccessLogEntry>(config.commonConfig, (logEntry) => ({ case: 'tcpLogs', value: { logEntry } }));
        return (context) => {
          const entry = tcpAccessLogEntry(context, options);
          batch.add(entry, toBinary(TCPAccessLogEntrySchema, entry).length);
        };
      }
      default:
        return this.#openTelemetry(any);
    }
  }
  #entryOptions(common: CommonGrpcAccessLogConfig | undefined): GrpcEntryOptions {
    const names = common?.filterStateObjectsToLog ?? [];
    return {
      requestHeaders: [],
      responseHeaders: [],
      responseTrailers: [],
      customTags: compileCustomTags(common?.customTags ?? [], this.#options.environment, 'common_config'),
      filterState({ info }) {
        const found: Record<string, Any> = {};
        if (names.length === 0 || info.hasFilterState === false) return found;
        for (const name of names) {
          const value = info.filterState.get(name);
          if (value === undefined) continue;
          const text = typeof value === 'string' ? value : JSON.stringify(value);
          found[name] = anyPack(StringValueSchema, create(StringValueSchema, { value: text }));
        }
        return found;
      },
    };
  }
  #alsBatch<T>(
    common: CommonGrpcAccessLogConfig | undefined,
    entries: (list: T[]) => NonNullable<MessageInitShape<typeof StreamAccessLogsMessageSchema>['logEntries']>,
  ): Batch<T> {
    const { node, stats } = this.#options;
    if (common === undefined) throw new XebecError('E_ACCESS_LOG', 'common_config is missing');
    const identifier = { node, logName: common.logName };
    return this.#batch<T>({
      config: common,
      encode: (list) =>
        toBinary(StreamAccessLogsMessageSchema, create(StreamAccessLogsMessageSchema, { identifier, logEntries: entries(list) })),
      send: this.#grpc(common.grpcService, alsPath),
      scope: stats.scope('access_logs.grpc_access_log'),
    });
  }
  #openTelemetry(any: Any | undefined): (context: FormatContext) => void {
    const { environment, node, stats } = this.#options;
    const config = unpack(any, OpenTelemetryAccessLogConfigSchema, 'access log');
    const { commonConfig: common } = config;
    const record = compileOtlpRecord(config.body, config.attributes, { environment });
    const label = (key: string, value: string): MessageInitShape<typeof KeyValueSchema> => ({
      key,
      value: { value: { case: 'stringValue', value } },
    });
    const builtin = config.disableBuiltinLabels
      ? []
      : [
          label('log_name', config.logName || (common?.logName ?? '')),
          label('zone_name', node.locality?.zone ?? ''),
          label('cluster_name', node.cluster),
          label('node_name', node.id),
        ];
    const resource = { attributes: [...builtin, ...(config.resourceAttributes?.values ?? [])] };
    const prefix = config.statPrefix === '' ? '' : `.${config.statPrefix}`;
    const batch = this.#batch<LogRecord>({
      config: {
        bufferFlushInterval: config.bufferFlushInterval ?? common?.bufferFlushInterval,
        bufferSizeBytes: config.bufferSizeBytes ?? common?.bufferSizeBytes,
      },
      encode: (logRecords) =>
        toBinary(
          ExportLogsServiceRequestSchema,
          create(ExportLogsServiceRequestSchema, { resourceLogs: [{ resource, scopeLogs: [{ logRecords }] }] }),
        ),
      send:
        config.httpService === undefined ? this.#grpc(config.grpcService ?? common?.grpcService, otlpPath) : this.#http(config.httpService),
      scope: stats.scope(`access_logs.open_telemetry_access_log${prefix}`),
    });
    return (context) => {
      const one = record(context);
      batch.add(one, toBinary(LogRecordSchema, one).length);
    };
  }
  #batch<T>(options: Omit<BatchOptions<T>, 'clock' | 'logger'>): Batch<T> {
    const { clock, logger } = this.#options;
    const batch = new Batch({ ...options, clock, logger });
    this.#batches.add(batch);
    return batch;
  }
  #grpc(service: GrpcService | undefined, path: string): Send {
    if (service?.targetSpecifier.case !== 'envoyGrpc') throw new XebecError('E_ACCESS_LOG', 'grpc_service needs envoy_grpc');
    const { clusterName } = service.targetSpecifier.value;
    const timeoutMs = optionalDurationMs(service.timeout) ?? defaultTimeoutMs;
    const metadata = service.initialMetadata.flatMap(({ key, value }) => [key.toLowerCase(), value]);
    return async (body) => {
      await this.#options.upstream().grpcUnary(clusterName, path, body, timeoutMs, metadata);
    };
  }
  #http(service: HttpService): Send {
    const { cluster, path, authority, scheme, headers: added, timeoutMs } = httpTarget(service, 'http_service', 'E_ACCESS_LOG');
    return async (body) => {
      const headers = ['content-type', 'application/x-protobuf', 'content-length', String(body.length), ...added];
      const head: RequestHead = {
        method: 'POST',
        path,
        authority,
        scheme,
        version: 'HTTP/1.1',
        headers,
      };
      const { head: answer } = await this.#options.upstream().http(cluster, head, Buffer.from(body), timeoutMs ?? defaultTimeoutMs);
      if (answer.status < 200 || answer.status > 299)
        throw new XebecError('E_UPSTREAM', `log service "${cluster}" answered ${path} with ${answer.status}`);
    };
  }
}

interface BatchOptions<T> {
  readonly config:
    | Pick<CommonGrpcAccessLogConfig, 'bufferFlushInterval' | 'bufferSizeBytes'>
    | {
        readonly bufferFlushInterval: CommonGrpcAccessLogConfig['bufferFlushInterval'] | undefined;
        readonly bufferSizeBytes: number | undefined;
      };
  encode(entries: T[]): Uint8Array;
  readonly send: Send;
  readonly scope: StatsScope;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Entries that wait to be sent together. A service that is away costs entries, not memory. */
class Batch<T> {
  readonly #options: BatchOptions<T>;
  readonly #maxBytes: number;
  readonly #flushMs: number;
  readonly #written: Counter;
  readonly #dropped: Counter;
  #entries: T[] = [];
  #bytes = 0;
  #inFlight = 0;
  #cancelTimer: (() => void) | undefined;

  constructor(options: BatchOptions<T>) {
    this.#options = options;
    this.#maxBytes = options.config.bufferSizeBytes ?? defaultBufferBytes;
    this.#flushMs = optionalDurationMs(options.config.bufferFlushInterval) ?? defaultFlushMs;
    this.#written = options.scope.counter('logs_written');
    this.#dropped = options.scope.counter('logs_dropped');
  }
  add(entry: T, bytes: number): void {
    if (this.#inFlight >= maxInFlight) {
      this.#dropped.add(1);
      return;
    }
    this.#written.add(1);
    this.#entries.push(entry);
    this.#bytes += bytes;
    if (this.#bytes >= this.#maxBytes) this.flush();
    else this.#cancelTimer ??= this.#options.clock.setTimeout(() => this.flush(), this.#flushMs);
  }
  flush(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const entries = this.#entries;
    if (entries.length === 0) return;
    this.#entries = [];
    this.#bytes = 0;
    this.#inFlight++;
    const { encode, send, logger } = this.#options;
    send(encode(entries)).then(
      () => {
        this.#inFlight--;
      },
      (error: unknown) => {
        this.#inFlight--;
        this.#dropped.add(entries.length);
        logger.debug({ error: errorText(error), entries: entries.length }, 'access log entries were lost');
      },
    );
  }
}
