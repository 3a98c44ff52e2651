import { create, type JsonValue, toJson } from '@bufbuild/protobuf';
import { Server, ServerCredentials, type ServerReadableStream, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import {
  AccessLogService,
  type StreamAccessLogsMessage,
  StreamAccessLogsMessageSchema,
  type StreamAccessLogsResponse,
  StreamAccessLogsResponseSchema,
} from '@xebec/protos/envoy/service/accesslog/v3/als';
import {
  type ExportLogsServiceRequest,
  ExportLogsServiceRequestSchema,
  type ExportLogsServiceResponse,
  ExportLogsServiceResponseSchema,
  LogsService,
} from '@xebec/protos/opentelemetry/proto/collector/logs/v1/logs_service';
import { createProtoRegistry } from '@xebec/protos/registry';
import { methodDefinition } from '@xebec/rpc';
import type { Peer } from '../harness/family.ts';

const registry = createProtoRegistry();

/** A gRPC server that takes access logs, Envoy's and OpenTelemetry's. Each entry stands with who sent it. */
export class LogService {
  #entries: JsonValue[] = [];

  take(): JsonValue[] {
    const entries = this.#entries;
    this.#entries = [];
    return entries;
  }
  get size(): number {
    return this.#entries.length;
  }
  async start(): Promise<Peer> {
    const server = new Server();
    const als = AccessLogService.method.streamAccessLogs;
    const otlp = LogsService.method.export;
    const stream = (
      call: ServerReadableStream<StreamAccessLogsMessage, StreamAccessLogsResponse>,
      done: sendUnaryData<StreamAccessLogsResponse>,
    ): void => {
      let identifier: JsonValue | undefined;
      call.on('data', (message: StreamAccessLogsMessage) => {
        const json = Object(toJson(StreamAccessLogsMessageSchema, message, { registry, useProtoFieldName: true }));
        identifier = json['identifier'] ?? identifier;
        for (const kind of ['http_logs', 'tcp_logs'])
          for (const entry of json[kind]?.['log_entry'] ?? []) this.#entries.push({ identifier: identifier ?? null, kind, entry });
      });
      call.on('end', () => done(null, create(StreamAccessLogsResponseSchema)));
    };
    const unary = (
      call: ServerUnaryCall<ExportLogsServiceRequest, ExportLogsServiceResponse>,
      done: sendUnaryData<ExportLogsServiceResponse>,
    ): void => {
      const json = Object(toJson(ExportLogsServiceRequestSchema, call.request, { registry, useProtoFieldName: true }));
      for (const { resource, scope_logs: scopes } of json['resource_logs'] ?? [])
        for (const { log_records: records } of scopes ?? []) for (const record of records ?? []) this.#entries.push({ resource, record });
      done(null, create(ExportLogsServiceResponseSchema));
    };
    server.addService({ streamAccessLogs: methodDefinition(als as never) } as never, { streamAccessLogs: stream } as never); // grpc-js has no types for built services
    server.addService({ export: methodDefinition(otlp) } as never, { export: unary } as never);
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
    return { port, close: () => server.forceShutdown() };
  }
}
