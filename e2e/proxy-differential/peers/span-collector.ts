import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { fromBinary } from '@bufbuild/protobuf';
import {
  type ExportTraceServiceRequest,
  ExportTraceServiceRequestSchema,
} from '@xebec/protos/opentelemetry/proto/collector/trace/v1/trace_service';
import type { KeyValue } from '@xebec/protos/opentelemetry/proto/common/v1/common';
import type { Json, Peer } from '../harness/family.ts';

/** Takes spans as Zipkin's JSON and as OTLP over HTTP/1, and remembers them in one form. */
export class SpanCollector {
  #spans: Json[] = [];
  #reports: Json[] = [];

  /** Spans since the last call, in the order of arrival. */
  take(): Json[] {
    const spans = this.#spans;
    this.#spans = [];
    return spans;
  }
  /** How reports came: path, type and other headers. */
  takeReports(): Json[] {
    const reports = this.#reports;
    this.#reports = [];
    return reports;
  }
  get size(): number {
    return this.#spans.length;
  }
  addOtlp(request: ExportTraceServiceRequest): void {
    for (const { resource, scopeSpans } of request.resourceSpans) {
      for (const { spans } of scopeSpans) {
        for (const span of spans) {
          const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
          this.#spans.push({
            traceId: hex(span.traceId),
            id: hex(span.spanId),
            parentId: hex(span.parentSpanId),
            traceState: span.traceState,
            name: span.name,
            kind: span.kind,
            status: span.status === undefined ? 'none' : { code: span.status.code, message: span.status.message },
            flags: span.flags,
            timed: span.startTimeUnixNano > 0n && span.endTimeUnixNano >= span.startTimeUnixNano,
            events: span.events.map(({ name }) => name),
            attributes: attributes(span.attributes),
            resource: attributes(resource?.attributes ?? []),
          });
        }
      }
    }
  }
  async start(): Promise<Peer> {
    const sockets = new Set<Socket>();
    const server = createHttpServer((request, response) => this.#serve(request, response));
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return {
      port: (server.address() as AddressInfo).port, // a TCP server has one
      close() {
        server.close();
        for (const socket of sockets) socket.destroy();
      },
    };
  }
  #serve(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      const { host, authorization } = request.headers;
      this.#reports.push({ line: `${request.method} ${request.url}`, type: request.headers['content-type'], host, authorization });
      if (request.url?.startsWith('/api/v2/spans') === true) this.#addZipkin(JSON.parse(body.toString()));
      else this.addOtlp(fromBinary(ExportTraceServiceRequestSchema, body));
      response.writeHead(202).end();
    });
  }
  #addZipkin(spans: readonly Json[]): void {
    for (const { timestamp, duration, ...rest } of spans)
      this.#spans.push({ ...rest, timed: Number(timestamp) > 0 && Number(duration) >= 0 });
  }
}

function attributes(list: readonly KeyValue[]): Json {
  return Object.fromEntries(
    list
      .map(({ key, value }) => [key, typeof value?.value.value === 'bigint' ? String(value.value.value) : value?.value.value] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}
