import { type ServerDuplexStream, type ServiceDefinition, status, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { errorText, type Logger } from '@xebec/core';
import { type RequestResources, ResourceSink, type Resources } from '@xebec/protos/istio/mcp/v1alpha1/mcp';
import { serviceDefinition } from '@xebec/rpc';
import type { McpAuthenticate } from './server.ts';
import type { McpSink } from './sink.ts';
import { UNIMPLEMENTED } from './transaction-mark.ts';

export const mcpSinkService: ServiceDefinition = serviceDefinition(ResourceSink);

type SinkCall = ServerDuplexStream<Resources, RequestResources>;

/**
 * A sink that sources call. One source at a time: two would overwrite each other's collections. A source that comes while another is
 * connected is told to try again.
 */
export class McpSinkServer {
  readonly #sink: McpSink;
  readonly #logger: Logger;
  #call: SinkCall | undefined;

  constructor(sink: McpSink, logger: Logger) {
    this.#sink = sink;
    this.#logger = logger;
  }
  get connected(): boolean {
    return this.#call !== undefined;
  }
  implementation(authenticate?: McpAuthenticate): UntypedServiceImplementation {
    return { EstablishResourceStream: (call: SinkCall) => this.#accept(call, authenticate) };
  }
  close(): void {
    this.#call?.end();
    this.#call = undefined;
  }

  #accept(call: SinkCall, authenticate: McpAuthenticate | undefined): void {
    call.on('error', () => undefined);
    const refuse = (code: status, details: string) => {
      this.#logger.warn({ peer: call.getPeer() }, `MCP: source ${call.getPeer()} is not let in: ${details}`);
      call.emit('error', { code, details });
    };
    const serve = () => {
      if (this.#call === undefined) this.#serve(call);
      else refuse(status.UNAVAILABLE, 'another source is connected');
    };
    if (authenticate === undefined) serve();
    else authenticate(call).then(serve, (error: unknown) => refuse(status.UNAUTHENTICATED, errorText(error)));
  }
  #serve(call: SinkCall): void {
    this.#call = call;
    const end = () => {
      if (this.#call === call) this.#call = undefined;
    };
    call.on('data', (response: Resources) => {
      if (this.#call !== call) return;
      for (const answer of this.#sink.onResources(response)) {
        // Sources of release 1.4 begin with a collection that does not exist.
        if (answer.errorDetail !== undefined && answer.errorDetail.code !== UNIMPLEMENTED)
          this.#logger.error({ collection: answer.collection }, `MCP: refused ${answer.collection}: ${answer.errorDetail.message}`);
        call.write(answer);
      }
    });
    call.on('end', () => {
      call.end();
      end();
    });
    for (const event of ['cancelled', 'close', 'error']) call.on(event, end);
    for (const request of this.#sink.open()) call.write(request);
  }
}
